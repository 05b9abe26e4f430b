use super::*;

/// Whether every element is closed by its own name, and nothing is left over.
fn well_formed(page: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let page = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    for piece in page.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').ok_or_else(|| format!("an open tag: {piece}"))?;
        if text.contains('>') && !open.contains(&"style") && !tag.starts_with("style") {
            return Err(format!("a stray bracket after {tag}"));
        }
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.ends_with('/') {
        } else if tag.starts_with('/') {
            let last = open.pop();
            if last != Some(name) {
                return Err(format!("{name} closes {last:?}"));
            }
        } else {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("still open: {open:?}")) }
}

#[test]
fn an_empty_report_is_a_page() {
    let report: Report = serde_json::from_value(serde_json::json!({
        "modelName": "m", "version": "v", "task": "Regression", "verdict": "Passed", "metrics": {}, "gates": [], "checks": [],
        "data": {"uri": "", "digest": "", "sizeBytes": 0},
    }))
    .unwrap();
    let page = page(&report);
    well_formed(&page).unwrap();
}

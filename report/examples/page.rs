//! Makes the page of a `report.json` again: `cargo run -p slipway-report --example page < report.json > report.html`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = serde_json::from_reader(std::io::stdin().lock())?;
    print!("{}", slipway_report::page(&report));
    Ok(())
}

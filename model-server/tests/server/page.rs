//! The page for people, in a browser. Where there is none on the machine, nothing is tested.

use std::process::Command;

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::process::Server;
use crate::support::{Kit, crime, dispatch, flats, iris, orders};

/// The page of a model in a browser of this width.
fn opened(kit: Kit, width: u32) -> Option<(Browser, Server)> {
    let Some(mut browser) = Browser::start(width) else {
        eprintln!("there is no Chromium here: the page was not tested");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    kit.write(dir.path());
    let server = Server::start(dir.path(), &[]);
    browser.open(&format!("http://{}/", server.address));
    Some((browser, server))
}

fn text(browser: &mut Browser, id: &str) -> String {
    browser.value(&format!("document.getElementById('{id}').textContent")).as_str().unwrap().to_owned()
}

/// Sends the form and waits for the answer.
fn predict(browser: &mut Browser) -> String {
    browser.value("document.querySelector('#row button').click()");
    browser.wait_for("document.querySelector('#result strong, #result li') !== null");
    text(browser, "result")
}

#[test]
fn a_row_is_predicted_and_explained_by_keyboard_alone() {
    let Some((mut browser, _server)) = opened(dispatch(), 1200) else { return };
    let mut stops: Vec<Value> = Vec::new();
    for _ in 0..40 {
        browser.press("Tab");
        let stop = browser.value("document.activeElement.id || document.activeElement.textContent");
        if stop == "f0" {
            // A number is typed over what is there.
            browser.value("document.activeElement.select()");
            browser.press("7");
        }
        stops.push(stop.clone());
        if stop == "Predict" {
            break;
        }
    }
    assert!(stops.contains(&json!("f0")) && stops.contains(&json!("contributions")), "{stops:?}");
    browser.press("Enter");
    browser.wait_for("document.querySelector('#result strong') !== null");
    let told = text(&mut browser, "result");
    assert!(told.contains("What each field adds") && told.contains("orders_placed"), "{told}");
    assert!(text(&mut browser, "curl").contains(r#""orders_placed":7"#), "what was typed is what is sent");
}

#[test]
fn the_snippets_say_what_the_form_says_and_run() {
    let Some((mut browser, _server)) = opened(crime(), 1200) else { return };
    browser.value(
        "const x = document.querySelector('[name=x]'); x.value = '2'; x.dispatchEvent(new Event('input', {bubbles: true}));
         document.getElementById('decision').click();
         const t = document.getElementById('threshold'); t.value = '0.97'; t.dispatchEvent(new Event('input', {bubbles: true}))",
    );
    assert_eq!(browser.value("document.querySelector('[data-of=f0]').value"), "2", "the slider follows");
    let shown = predict(&mut browser);
    assert!(shown.contains("Decision: caught"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let snippets = [
        ("curl", "curl", vec!["sh", "-c"]),
        ("python", "python3", vec!["python3", "-c"]),
        ("javascript", "node", vec!["node", "--input-type=module", "-e"]),
        ("table", "curl", vec!["sh", "-c"]),
    ];
    for (id, program, command) in snippets {
        let snippet = text(&mut browser, id);
        assert!(snippet.contains("?with=decision,contributions&threshold=0.97"), "{snippet}");
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("there is no {program} here: its snippet was not run");
            continue;
        }
        let mut run = Command::new(command[0]);
        let output = run.args(&command[1..]).arg(&snippet).current_dir(folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("caught"), "{snippet}\n{told}\n{why}");
        assert!(told.contains("contribution"), "{snippet}\n{told}");
    }
}

#[test]
fn numbers_are_shown_with_their_units() {
    let Some((mut browser, _server)) = opened(flats(), 1200) else { return };
    let shown = predict(&mut browser);
    for part in ["495000 USD", "living_area: 165 m\u{b2}", "floor: 20 <floors>", "to 495000 USD"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(text(&mut browser, "row").contains("living_area m\u{b2}"));
    assert!(text(&mut browser, "curl").contains(r#"{"living_area":165,"floor":20}"#), "a unit is not sent");
}

#[test]
fn snippets_quote_whatever_names_hold() {
    let Some((mut browser, _server)) = opened(orders(), 1200) else { return };
    let snippet = text(&mut browser, "python");
    assert!(snippet.contains(r#""<weekend> & \"more\"": True"#), "{snippet}");
    assert!(text(&mut browser, "javascript").contains(r#""<weekend> & \"more\"": true"#));
    if Command::new("python3").arg("--version").output().is_ok() {
        let output = Command::new("python3").arg("-c").arg(&snippet).output().unwrap();
        assert!(output.status.success(), "{snippet}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let card = text(&mut browser, "card");
    assert!(card.contains("s3://data/<rows>.csv") && card.contains("r2 is 0.97, at least 0.9"), "{card}");
}

#[test]
fn a_model_that_cannot_explain_itself_says_why_and_predicts() {
    let mut old = crate::support::forest();
    old.forget_weights();
    let Some((mut browser, _server)) = opened(old, 1200) else { return };
    let shown = predict(&mut browser);
    assert!(shown.contains("Probabilities"), "{shown}");
    assert!(text(&mut browser, "row").contains("train it again"));
    assert!(!text(&mut browser, "curl").contains("contributions"));
}

#[test]
fn a_phone_shows_all_of_it_without_scrolling_sideways_and_nothing_comes_from_elsewhere() {
    for kit in [dispatch(), crime(), iris(), orders(), flats()] {
        let Some((mut browser, server)) = opened(kit, 360) else { return };
        browser.value("document.querySelectorAll('details').forEach(details => details.open = true)");
        predict(&mut browser);
        assert_eq!(browser.value("document.documentElement.scrollWidth <= 360"), true);
        let small =
            "[...document.querySelectorAll('button, select, input:not([type=range]):not([type=checkbox]), summary')]
            .filter(control => control.getBoundingClientRect().height < 24).map(control => control.outerHTML)";
        assert_eq!(browser.value(small), json!([]), "what a finger must hit");
        let unnamed = "[...document.querySelectorAll('input, select')]
            .filter(control => !control.labels.length && !control.ariaLabel).map(control => control.outerHTML)";
        assert_eq!(browser.value(unnamed), json!([]), "what a screen reader must name");
        let loaded = browser.value("performance.getEntriesByType('resource').map(entry => entry.name)");
        let own = format!("http://{}/", server.address);
        assert!(loaded.as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with(&own)), "{loaded}");
    }
}

//! The container a test needs: one that fails with a message, eats memory, or just stays.

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fail", code, message] => {
            eprintln!("{message}");
            ExitCode::from(code.parse().unwrap_or(1))
        }
        ["eat-memory"] => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 16 << 20]);
                println!("{} MiB", eaten.len() * 16);
            }
        }
        ["stay"] => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        _ => {
            eprintln!("usage: slipway-fixture fail CODE MESSAGE | eat-memory | stay");
            // Not 64: whoever runs this in a server's place gets one that crashes again and again.
            ExitCode::FAILURE
        }
    }
}

//! A table without end, in memory that does not grow.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::process::Server;
use crate::support::dispatch;

/// Sends a table of about so many bytes in chunks, and reads the answer meanwhile. Returns how many rows were sent, and
/// answered.
fn stream(server: &Server, bytes: usize) -> (usize, usize) {
    let mut sender = TcpStream::connect(server.address).unwrap();
    let mut answer = BufReader::with_capacity(1 << 16, sender.try_clone().unwrap());
    let reader = std::thread::spawn(move || {
        let mut line = Vec::new();
        answer.read_until(b'\n', &mut line).unwrap();
        assert!(line.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&line));
        let (mut rows, mut piece) = (0, vec![0; 1 << 16]);
        // Lines that end without an error are those of predicted rows; chunks have no comma.
        let mut before = 0;
        loop {
            let read = answer.read(&mut piece).unwrap();
            for &byte in &piece[..read] {
                rows += usize::from(before == b',' && byte == b'\n');
                before = byte;
            }
            if read == 0 {
                return rows;
            }
        }
    });
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n";
    sender.write_all(head.as_bytes()).unwrap();
    let mut send = |chunk: &[u8]| {
        sender.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
        sender.write_all(chunk).unwrap();
        sender.write_all(b"\r\n").unwrap();
    };
    send(b"orders_placed,product_code\n");
    let rows: Vec<String> = (0..4096).map(|row| format!("{}.25,SKU00{}\n", row % 250, row % 3 + 1)).collect();
    let chunk = rows.concat();
    let chunks = bytes.div_ceil(chunk.len());
    for _ in 0..chunks {
        send(chunk.as_bytes());
    }
    sender.write_all(b"0\r\n\r\n").unwrap();
    (chunks * rows.len(), reader.join().unwrap())
}

fn stream_within(bytes: usize, memory: usize) {
    let dir = tempfile::tempdir().unwrap();
    dispatch().write(dir.path());
    let server = Server::start(dir.path(), &["--drain-seconds", "0"]);
    let begun = Instant::now();
    let (sent, answered) = stream(&server, bytes);
    assert_eq!(sent, answered);
    let (peak, seconds) = (server.peak_memory(), begun.elapsed().as_secs_f64());
    println!("{bytes} bytes, {sent} rows in {seconds:.1} s; memory at most {peak} bytes");
    assert!(peak <= memory, "{peak} bytes");
    server.signal("-TERM");
    assert_eq!(server.end(), 0);
}

#[test]
fn a_table_streams_through_little_memory() {
    stream_within(20_000_000, 64_000_000);
}

#[test]
#[ignore = "sends a gigabyte"]
fn a_gigabyte_streams_through_64_megabytes() {
    stream_within(1_000_000_000, 64_000_000);
}

//! A TCP proxy that breaks connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What becomes of a connection once it has brought `after` bytes of answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is closed.
    Cut,
    /// It stays open and brings nothing more.
    Stall,
}

/// A proxy in front of a server on this machine.
pub struct Proxy {
    pub port: u16,
    /// Connections that were broken so far.
    pub broken: Arc<AtomicUsize>,
}

impl Proxy {
    /// Breaks each of the first `times` connections after `after` bytes of answers, calling `on_fault` with how many were
    /// broken before it.
    pub fn start(
        server: u16,
        fault: Fault,
        after: usize,
        times: usize,
        on_fault: impl Fn(usize) + Send + Sync + 'static,
    ) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let broken = Arc::new(AtomicUsize::new(0));
        let (count, on_fault) = (broken.clone(), Arc::new(on_fault));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (count, on_fault) = (count.clone(), on_fault.clone());
                thread::spawn(move || relay(client.unwrap(), server, fault, after, times, &count, &*on_fault));
            }
        });
        Proxy { port, broken }
    }
}

fn relay(
    mut client: TcpStream,
    server: u16,
    fault: Fault,
    after: usize,
    times: usize,
    broken: &AtomicUsize,
    on_fault: &(dyn Fn(usize) + Send + Sync),
) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 16 << 10];
    let mut brought = 0;
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        if client.write_all(&buffer[..read]).is_err() {
            return;
        }
        brought += read;
        if brought >= after && broken.load(Ordering::SeqCst) < times {
            on_fault(broken.fetch_add(1, Ordering::SeqCst));
            if fault == Fault::Stall {
                let _ = server.shutdown(Shutdown::Both);
                // Until the client has had enough.
                let _ = client.read(&mut buffer);
                while matches!(client.peek(&mut buffer), Ok(1..)) {
                    let _ = client.read(&mut buffer);
                }
            }
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

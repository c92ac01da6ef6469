//! A witness of logs: a server on a socket that speaks C2SP `tlog-witness`, written from the specification. It shares no
//! code with the log: keys, notes and proofs are read and checked here once more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

type Hash = [u8; 32];

/// What the witness does besides what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// Nothing.
    #[default]
    Well,
    /// Takes connections and answers nothing until its mood changes.
    Silent,
    /// Answers every request with this status.
    Answers(u16),
    /// Signs with a key that nobody knows.
    Foreign,
    /// Signs something else than what it was sent.
    Liar,
    /// Says that it knows more than there is.
    Ahead(u64),
}

/// What it remembers, which outlives it.
#[derive(Debug, Default)]
pub struct Memory {
    /// Origin to the checkpoint that it cosigned last.
    latest: Mutex<BTreeMap<String, (u64, Hash)>>,
    /// Statuses that it answered with, in order.
    answers: Mutex<Vec<u16>>,
    mood: Mutex<Mood>,
    changed: Condvar,
    time_s: AtomicU64,
}

impl Memory {
    /// Size of what was cosigned last.
    pub fn size(&self, origin: &str) -> Option<u64> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).get(origin).map(|(size, _)| *size)
    }

    /// Every answer so far.
    pub fn answers(&self) -> Vec<u16> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes its mood.
    pub fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        self.changed.notify_all();
    }

    /// Waits while it is silent; whether it speaks again before the end.
    fn speaks(&self, ended: &AtomicBool) -> bool {
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        while *mood == Mood::Silent && !ended.load(Ordering::SeqCst) {
            let waited = self.changed.wait_timeout(mood, Duration::from_millis(50));
            mood = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *mood != Mood::Silent
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A witness that runs until it is dropped.
pub struct TestWitness {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Name of the witness.
pub const NAME: &str = "witness.example/w1";

fn own_key() -> SigningKey {
    SigningKey::from_bytes(&[41; 32])
}

/// The text of its key: type 4 of a note's keys.
pub fn key_text() -> String {
    let key = own_key().verifying_key();
    let mut typed = vec![4];
    typed.extend_from_slice(key.as_bytes());
    let id = key_id(NAME, 4, key.as_bytes());
    format!("{NAME}+{:08x}+{}", u32::from_be_bytes(id), STANDARD.encode(typed))
}

fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update([b'\n', kind]);
    hash.update(key);
    let digest: [u8; 32] = hash.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl TestWitness {
    /// Listens on an address (port 0 for a free one) for logs whose `key.pub` are these.
    pub fn start(at: &str, logs: &[String], memory: &Arc<Memory>) -> Self {
        let listener = TcpListener::bind(at).expect("a port to listen on");
        let address = listener.local_addr().expect("an address");
        let logs: BTreeMap<String, VerifyingKey> = logs.iter().map(|text| log_key(text)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, memory) = (Arc::clone(&stop), Arc::clone(memory));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (logs, memory, ended) = (logs.clone(), Arc::clone(&memory), Arc::clone(&ended));
                if let Ok(stream) = stream {
                    std::thread::spawn(move || serve(&stream, &logs, &memory, &ended));
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// What a log is told to use.
    pub fn url(&self) -> String {
        format!("http://{}/prefix", self.address)
    }
}

impl Drop for TestWitness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Somebody has to knock for the listener to look.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the witness ends well");
        }
    }
}

/// Origin and key of a log, from its `key.pub`.
fn log_key(text: &str) -> (String, VerifyingKey) {
    let parts: Vec<&str> = text.trim().splitn(3, '+').collect();
    let bytes = STANDARD.decode(parts[2]).expect("base64");
    assert_eq!(bytes[0], 1, "an Ed25519 key");
    let key = VerifyingKey::from_bytes(bytes[1..].try_into().expect("32 bytes")).expect("a key");
    (parts[0].to_owned(), key)
}

/// Requests on one connection, one after the other.
fn serve(stream: &TcpStream, logs: &BTreeMap<String, VerifyingKey>, memory: &Memory, ended: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        // A witness that is gone answers on no connection that stands.
        if reader.read_line(&mut first).unwrap_or(0) == 0 || ended.load(Ordering::SeqCst) {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = header.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        if !memory.speaks(ended) {
            return;
        }
        let body = String::from_utf8(body).unwrap_or_default();
        let (status, kind, answer) = if first.starts_with("POST /prefix/add-checkpoint ") {
            add_checkpoint(&body, logs, memory)
        } else {
            (404, "text/plain", String::new())
        };
        memory.answers.lock().unwrap_or_else(PoisonError::into_inner).push(status);
        let head = format!(
            "HTTP/1.1 {status} Word\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())).is_err() {
            return;
        }
    }
}

type Reply = (u16, &'static str, String);

fn no(status: u16) -> Reply {
    (status, "text/plain", String::new())
}

fn add_checkpoint(body: &str, logs: &BTreeMap<String, VerifyingKey>, memory: &Memory) -> Reply {
    match memory.mood() {
        Mood::Answers(status) => return no(status),
        Mood::Ahead(size) => return (409, "text/x.tlog.size", format!("{size}\n")),
        Mood::Well | Mood::Silent | Mood::Foreign | Mood::Liar => {}
    }
    let Some((old, proof, text, signatures)) = read(body) else { return no(400) };
    let lines: Vec<&str> = text.lines().collect();
    let [origin, size, root] = lines[..] else { return no(400) };
    let Some(key) = logs.get(origin) else { return no(404) };
    if !signatures.iter().any(|line| signed(line, origin, key, &text)) {
        return no(403);
    }
    let Ok(size) = size.parse::<u64>() else { return no(400) };
    let Some(root) = hash(root) else { return no(400) };
    if old > size {
        return no(400);
    }
    // Held until the new one is kept: looking and keeping are one.
    let mut latest = memory.latest.lock().unwrap_or_else(PoisonError::into_inner);
    let known = latest.get(origin).copied();
    let known_size = known.map_or(0, |(size, _)| size);
    if old != known_size {
        return (409, "text/x.tlog.size", format!("{known_size}\n"));
    }
    if let Some((known_size, known_root)) = known {
        if known_size == size && known_root != root {
            return no(409);
        }
        if known_size > 0 && !consistent(known_size, size, &known_root, &root, &proof) {
            return no(422);
        }
    } else if !proof.is_empty() {
        return no(422);
    }
    latest.insert(origin.to_owned(), (size, root));
    let time = 1_700_000_000 + memory.time_s.fetch_add(1, Ordering::SeqCst);
    (200, "text/plain", cosignature(&text, time, memory.mood()))
}

/// The signature line of the witness, below one of somebody whom nobody asked.
fn cosignature(text: &str, time: u64, mood: Mood) -> String {
    let key = if mood == Mood::Foreign { SigningKey::from_bytes(&[42; 32]) } else { own_key() };
    let said = if mood == Mood::Liar { "something else\n" } else { text };
    let message = format!("cosignature/v1\ntime {time}\n{said}");
    let mut bytes = key_id(NAME, 4, key.verifying_key().as_bytes()).to_vec();
    bytes.extend_from_slice(&time.to_be_bytes());
    bytes.extend_from_slice(&key.sign(message.as_bytes()).to_bytes());
    let other = STANDARD.encode([7; 76]);
    format!("\u{2014} somebody.example/else {other}\n\u{2014} {NAME} {}\n", STANDARD.encode(bytes))
}

/// Old size, proof, note text and signature lines of a request.
fn read(body: &str) -> Option<(u64, Vec<Hash>, String, Vec<String>)> {
    let (head, note) = body.split_once("\n\n")?;
    let mut lines = head.lines();
    let old = lines.next()?.strip_prefix("old ")?;
    let size: u64 = old.parse().ok()?;
    let proof = lines.map(hash).collect::<Option<Vec<_>>>()?;
    if size.to_string() != old || proof.len() > 63 {
        return None;
    }
    let (text, signatures) = note.split_once("\n\n")?;
    Some((size, proof, format!("{text}\n"), signatures.lines().map(str::to_owned).collect()))
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn signed(line: &str, origin: &str, key: &VerifyingKey, text: &str) -> bool {
    let read = || {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(signature).ok()?;
        let signature: [u8; 64] = bytes.get(4..)?.try_into().ok()?;
        let ours = name == origin && bytes[..4] == key_id(origin, 1, key.as_bytes());
        Some(ours && key.verify_strict(text.as_bytes(), &Signature::from_bytes(&signature)).is_ok())
    };
    read().unwrap_or(false)
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// RFC 6962 §2.1.2 read backwards: `SUBPROOF` takes the tree apart from its root, this puts both roots together from the
/// hashes in the same order.
fn consistent(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut hashes = proof.iter();
    let roots = subproof(old, new, true, old_root, &mut hashes);
    hashes.next().is_none() && roots == Some((*old_root, *new_root))
}

/// The roots of the first `old` leaves and of all `new` ones of a subtree.
fn subproof<'p>(
    old: u64,
    new: u64,
    whole: bool,
    old_root: &Hash,
    proof: &mut impl Iterator<Item = &'p Hash>,
) -> Option<(Hash, Hash)> {
    if old == new {
        let hash = if whole { *old_root } else { *proof.next()? };
        return Some((hash, hash));
    }
    let middle = 1 << (new - 1).ilog2();
    if old <= middle {
        let (older, left) = subproof(old, middle, whole, old_root, proof)?;
        let right = proof.next()?;
        Some((older, node(&left, right)))
    } else {
        let (older, right) = subproof(old - middle, new - middle, false, old_root, proof)?;
        let left = proof.next()?;
        Some((node(left, &older), node(left, &right)))
    }
}

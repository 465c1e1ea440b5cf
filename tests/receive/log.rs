//! What the server of a test writes to its log.

thread_local! {
    /// The log lines of the test that runs on this thread, if it reads them.
    static LINES: std::cell::RefCell<Option<Vec<u8>>> = const { std::cell::RefCell::new(None) };
}

/// Writes a log line to whoever reads the lines of this thread.
struct ThisThread;

impl std::io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One subscriber for the whole process: one of a thread's own can miss lines whose place another thread, without one, reached first.
pub fn read_lines() {
    static SUBSCRIBER: std::sync::Once = std::sync::Once::new();
    SUBSCRIBER.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| ThisThread).init());
    LINES.set(Some(Vec::new()));
}

pub fn lines() -> String {
    String::from_utf8(LINES.take().unwrap()).unwrap()
}

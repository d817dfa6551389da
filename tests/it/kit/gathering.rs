//! The output of the program, read while it runs so that a full pipe does not stop it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// The bytes that have come out of a pipe.
pub(crate) struct Gathering {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<io::Result<()>>,
}

impl Gathering {
    /// Begins to read a pipe to its end.
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Gathering {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&bytes);
        let reading = thread::spawn(move || {
            let mut chunk = [0; 8 * 1024];
            loop {
                let n_read = match pipe.read(&mut chunk) {
                    Ok(0) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read?,
                };
                gathered.lock().expect("nothing panics here").extend(&chunk[..n_read]);
            }
        });
        Gathering { bytes, reading }
    }

    /// Returns the text that has come by now; a character that is not whole yet is left out of recognition.
    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("nothing panics here")).into_owned()
    }

    /// Everything, once the pipe is at its end.
    pub(crate) fn whole(self) -> String {
        self.reading.join().expect("reading does not panic").expect("the pipe can be read");
        let bytes = std::mem::take(&mut *self.bytes.lock().expect("nothing panics here"));
        String::from_utf8(bytes).expect("the program prints UTF-8")
    }
}

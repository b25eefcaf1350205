//! Messages out of a stream of bytes and into one: `Content-Length: N`, an empty line, N bytes of JSON.
//!
//! Whatever stands between messages is passed over, and no allocation follows what a header claims.

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// What a message may have at most, in bytes: a document of 50 MB with every character escaped has less.
const LONGEST_MESSAGE: u64 = 512 << 20;

/// What a line of a header may have at most, in bytes. What is longer is no header.
const LONGEST_LINE: u64 = 8 << 10;

/// What was read.
#[derive(Debug)]
pub enum Frame {
    /// A message.
    Message(Value),
    /// Something that is framed as a message and is not JSON, or is too long, and why.
    Broken(String),
}

/// Reads frames from a stream.
#[derive(Debug)]
pub struct Reader<R> {
    stream: BufReader<R>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Of a stream.
    pub fn new(stream: R) -> Self {
        Self { stream: BufReader::with_capacity(64 << 10, stream) }
    }

    /// The next frame, or none at the end of the stream, which may come in the middle of one.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn next(&mut self) -> std::io::Result<Option<Frame>> {
        let Some(length) = self.header().await? else { return Ok(None) };
        let mut body = (&mut self.stream).take(length);
        if length > LONGEST_MESSAGE {
            let passed = tokio::io::copy(&mut body, &mut tokio::io::sink()).await?;
            let why = format!("a message of {length} bytes: {LONGEST_MESSAGE} are allowed");
            return Ok((passed == length).then_some(Frame::Broken(why)));
        }
        let mut bytes = Vec::new();
        if body.read_to_end(&mut bytes).await? as u64 != length {
            return Ok(None);
        }
        Ok(Some(match serde_json::from_slice(&bytes) {
            Ok(message) => Frame::Message(message),
            Err(why) => Frame::Broken(format!("not JSON: {why}")),
        }))
    }

    /// The length that the next header tells. A header without one is passed over, and so are lines that are none.
    async fn header(&mut self) -> std::io::Result<Option<u64>> {
        let mut length = None;
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await? == 0 {
                return Ok(None);
            }
            if !line.ends_with(b"\n") {
                skip_line(&mut self.stream).await?;
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            match (text.trim_end().is_empty(), length) {
                (true, Some(length)) => return Ok(Some(length)),
                (true, None) => {}
                (false, _) => length = content_length(&text).or(length),
            }
        }
    }
}

/// Passes over the rest of a line, however long it is.
async fn skip_line(stream: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<()> {
    loop {
        let held = stream.fill_buf().await?;
        let (length, ends) = match held.iter().position(|byte| *byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (held.len(), held.is_empty()),
        };
        stream.consume(length);
        if ends {
            return Ok(());
        }
    }
}

/// The length that a line of a header tells. Something else may stand before it where a stream was disturbed.
fn content_length(line: &str) -> Option<u64> {
    const NAME: &str = "content-length:";
    let place = line.to_ascii_lowercase().rfind(NAME)?;
    line.get(place + NAME.len()..)?.trim().parse().ok()
}

/// Writes a message with its header.
///
/// # Errors
///
/// Those of the stream.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> std::io::Result<()> {
    stream.write_all(format!("Content-Length: {}\r\n\r\n", message.len()).as_bytes()).await?;
    stream.write_all(message).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream holds, in words.
    fn read(bytes: &[u8]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut reader = Reader::new(bytes);
            let mut found = Vec::new();
            while let Some(frame) = reader.next().await.expect("bytes in memory") {
                found.push(match frame {
                    Frame::Message(message) => message.to_string(),
                    Frame::Broken(why) => why,
                });
            }
            found
        })
    }

    #[test]
    fn junk_between_messages_is_passed_over() {
        let stream = b"hello\r\n\r\n\xff\xfejunkContent-Length: 2\r\nContent-Type: any\r\n\r\n{}\n\n\
            Content-Length: x\r\n\r\nCONTENT-LENGTH:1\r\n\r\n{content-length: 4\n\n[1 2Content-Length: 1\r\n\r\n7";
        insta::assert_debug_snapshot!(read(stream), @r#"
        [
            "{}",
            "not JSON: EOF while parsing an object at line 1 column 1",
            "not JSON: expected `,` or `]` at line 1 column 4",
            "7",
        ]
        "#);
    }

    #[test]
    fn lengths_that_lie_take_no_memory() {
        assert!(read(b"Content-Length: 18446744073709551615\r\n\r\n{}").is_empty());
        assert!(read(b"Content-Length: 400000000\r\n\r\n{}").is_empty());
        let mut long = vec![b'x'; 100_000];
        long.extend(b"\nContent-Length: 4\r\n\r\nnull");
        assert_eq!(read(&long), ["null"]);
    }
}

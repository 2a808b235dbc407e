//! As much of a WebSocket (RFC 6455) as it takes to talk to our own browser on this machine.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest message that is read: a page's request with a large body.
const MAX_MESSAGE: usize = 64 << 20;

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;

pub(super) struct Socket {
    stream: TcpStream,
    /// Bytes that came and were not understood yet.
    unread: Vec<u8>,
    /// The parts of a message that came so far.
    parts: Vec<u8>,
}

struct Frame {
    is_last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

impl Socket {
    pub async fn open(address: &str, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        // The key only keeps caches from answering, and there is none between us.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Socket { stream, unread: Vec::new(), parts: Vec::new() };
        loop {
            if let Some(end) = socket.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&socket.unread[..end]).into_owned();
                socket.unread.drain(..end + 4);
                let status = head.lines().next().unwrap_or_default();
                return match status.split(' ').nth(1) {
                    Some("101") => Ok(socket),
                    _ => Err(Error::new(ErrorKind::InvalidData, format!("answered `{status}`, expected 101"))),
                };
            }
            socket.read_more().await?;
        }
    }

    /// Send a text.
    pub async fn send(&mut self, text: &[u8]) -> Result<()> {
        self.send_frame(TEXT, text).await
    }

    /// The next message. Whoever stops waiting for it loses nothing.
    pub async fn message(&mut self) -> Result<Vec<u8>> {
        loop {
            let Some(frame) = take_frame(&mut self.unread)? else {
                self.read_more().await?;
                continue;
            };
            match frame.opcode {
                CLOSE => return Err(ErrorKind::ConnectionAborted.into()),
                PING => self.send_frame(PONG, &frame.payload).await?,
                TEXT | CONTINUED => {
                    self.parts.extend(frame.payload);
                    if frame.is_last {
                        return Ok(std::mem::take(&mut self.parts));
                    }
                }
                _ => {}
            }
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.unread.len() + self.parts.len() > MAX_MESSAGE {
            return Err(Error::new(ErrorKind::InvalidData, "a message without an end"));
        }
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn send_frame(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut frame = vec![LAST | opcode];
        match payload.len() {
            len @ ..126 => frame.push(MASKED | len as u8),
            len @ ..0x1_0000 => {
                frame.push(MASKED | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(MASKED | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is; masks are for proxies, and there is none between us.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await
    }
}

/// Take one frame off the front, if it is whole. A server masks nothing.
fn take_frame(bytes: &mut Vec<u8>) -> Result<Option<Frame>> {
    let [first, second, rest @ ..] = &bytes[..] else { return Ok(None) };
    let (size_bytes, len) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (8, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (126 | 127, _) => return Ok(None),
        (len, _) => (0, u64::from(len)),
    };
    if len > MAX_MESSAGE as u64 || second & MASKED != 0 {
        return Err(Error::new(ErrorKind::InvalidData, format!("a frame of {len} bytes that is masked or too large")));
    }
    let (start, end) = (2 + size_bytes, 2 + size_bytes + len as usize);
    if bytes.len() < end {
        return Ok(None);
    }
    let frame = Frame { is_last: first & LAST != 0, opcode: first & 0x0f, payload: bytes[start..end].to_vec() };
    bytes.drain(..end);
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_once_they_are_whole() {
        let mut long = vec![LAST | TEXT, 126, 1, 0];
        long.extend([b'a'; 256]);
        let mut bytes = vec![];
        for (n, byte) in long.into_iter().enumerate() {
            assert!(take_frame(&mut bytes).unwrap().is_none(), "after {n} bytes");
            bytes.push(byte);
        }
        bytes.extend([LAST | PING, 1, b'b', TEXT]);
        assert_eq!(take_frame(&mut bytes).unwrap().unwrap().payload.len(), 256);
        let ping = take_frame(&mut bytes).unwrap().unwrap();
        assert_eq!((ping.opcode, &ping.payload[..], ping.is_last), (PING, &b"b"[..], true));
        assert_eq!(bytes, [TEXT]);
        let mut huge = vec![LAST | TEXT, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
        assert!(take_frame(&mut huge).is_err());
    }
}

//! A socket whose other end has to read on.
//!
//! Whoever stops to read an answer would hold its connection for ever, and with it whatever the
//! answer is made from: a backup keeps everything on disk that it has yet to read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Passes everything on. A write for which there is no room for as long as `patience` fails.
#[derive(Debug)]
pub(super) struct Impatient<T> {
    pub(super) inner: T,
    patience: Duration,
    /// Since there is no room. While there is some, as almost always, no timer is made.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Impatient<T> {
    pub(super) fn new(inner: T, patience: Duration) -> Self {
        Self { inner, patience, stalled: None }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| io::Error::from(io::ErrorKind::TimedOut))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Impatient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Impatient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(cx).map(Err),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const ROOM: usize = 4;

    #[tokio::test]
    async fn a_write_that_finds_no_room_fails_in_the_end() {
        let (near, _far) = duplex(ROOM);
        let mut socket = Impatient::new(near, Duration::from_millis(1));
        let failed = socket.write_all(&[0; ROOM + 1]).await.expect_err("nobody reads");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_write_goes_on_when_there_is_room_again() {
        let (near, mut far) = duplex(ROOM);
        let mut socket = Impatient::new(near, Duration::from_secs(600));
        let mut read = [0; 3 * ROOM];
        let (written, taken) = tokio::join!(socket.write_all(&[7; 3 * ROOM]), async {
            far.read_exact(&mut read).await
        });
        written.expect("somebody reads");
        taken.expect("all of it comes");
        assert_eq!(read, [7; 3 * ROOM]);
        assert!(socket.stalled.is_none(), "the next one has all the time again");
    }
}

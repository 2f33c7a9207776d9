//! Takes a body off the connection: its announced type and size first, then its bytes in time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::time::Sleep;

use crate::http::error::Problem;

/// Refuses what is not announced as JSON: `application/json`, with any parameters.
pub(crate) fn demand_json(headers: &HeaderMap) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = announced.map(|text| text.split(';').next().unwrap_or(text).trim());
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Problem::media_type()),
    }
}

/// Reads the whole of `body`, at most `bytes_max`, within `time_max`.
///
/// A body that announces more than it may be is refused before a byte of it is read.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: &mut Body,
    bytes_max: usize,
    time_max: Duration,
) -> Result<Bytes, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|text| text.parse::<u64>().ok()) > Some(bytes_max as u64) {
        return Err(Problem::too_large(bytes_max));
    }
    let mut patience = Patience { time_max, looked: false, sleep: None };
    let Some(first) = patience.next(body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(Problem::too_large(bytes_max));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = Vec::from(first);
    while let Some(more) = patience.next(body).await? {
        if whole.len() + more.len() > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        whole.extend_from_slice(&more);
    }
    Ok(whole.into())
}

/// Waits for parts of a body, and sets a timer only once waiting is certain.
///
/// The usual body arrives in the same packet as its head, but is handed over one turn of the
/// connection's task later. The first look therefore only asks for that turn.
struct Patience {
    time_max: Duration,
    looked: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, Problem> {
        poll_fn(|cx| {
            while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                match frame {
                    None => return Poll::Ready(Ok(None)),
                    Some(Err(_)) => return Poll::Ready(Err(Problem::broken_body())),
                    // Trailers are of no interest.
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Poll::Ready(Ok(Some(data)));
                        }
                    }
                }
            }
            if !self.looked {
                self.looked = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let time_max = self.time_max;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(time_max)));
            sleep.as_mut().poll(cx).map(|()| Err(Problem::slow_body()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::StatusCode;

    use super::*;

    const TIME: Duration = Duration::from_millis(20);

    fn status(problem: Result<Bytes, Problem>) -> StatusCode {
        problem.expect_err("a problem").kind.status
    }

    /// A body whose sender never says another word.
    struct Silent;

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[test]
    fn only_json_is_taken_with_or_without_a_charset() {
        for (given, taken) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/jsonp", false),
            ("text/plain", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(given));
            assert_eq!(demand_json(&headers).is_ok(), taken, "{given}");
        }
        assert!(demand_json(&HeaderMap::new()).is_err());
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_and_one_byte_more_is_not() {
        let headers = HeaderMap::new();
        let whole = read(&headers, &mut Body::from("12345"), 5, TIME).await.expect("it fits");
        assert_eq!(whole, "12345");
        let over = read(&headers, &mut Body::from("123456"), 5, TIME).await;
        assert_eq!(status(over), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_announces_too_much_is_refused_unread() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("99999999999"));
        let refused = read(&headers, &mut Body::new(Silent), 5, Duration::from_secs(60)).await;
        assert_eq!(status(refused), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let slow = read(&HeaderMap::new(), &mut Body::new(Silent), 5, TIME).await;
        assert_eq!(status(slow), StatusCode::REQUEST_TIMEOUT);
    }
}

//! The body for the client, sent piece by piece out of the upstream's own.
//!
//! Invariant: not a byte of the upstream's body is copied, and what is announced as the length is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use policy::decision::{Body, Piece};

/// A body in pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    length: u64,
}

impl Pieces {
    /// The pieces of this body; none when one of them lies outside the upstream's body, which is a fault of ours.
    pub(crate) fn of(body: &Body, upstream: &Bytes) -> Option<Self> {
        let piece = |piece: &Piece| match piece {
            Piece::Kept(range) => upstream.get(range.clone()).map(|kept| upstream.slice_ref(kept)),
            Piece::Written(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        };
        let pieces: Vec<Bytes> = body.pieces().iter().map(piece).collect::<Option<_>>()?;
        let length = pieces.iter().map(Bytes::len).sum::<usize>();
        Some(Self { pieces: pieces.into_iter(), length: u64::try_from(length).ok()? })
    }
}

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.pieces.find(|piece| !piece.is_empty()).map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: Pieces) -> Vec<Bytes> {
        pieces.pieces.collect()
    }

    #[test]
    fn a_kept_piece_is_the_upstreams_own_memory() {
        let upstream = Bytes::from(b"{\"entry\":[1,2,3]}".to_vec());
        let mut body = Body::default();
        body.keep(0..10);
        body.write("7");
        body.keep(15..17);
        let pieces = Pieces::of(&body, &upstream).unwrap();
        assert_eq!(pieces.size(), BodySize::Sized(13));
        let pieces = all(pieces);
        assert_eq!(pieces.concat(), b"{\"entry\":[7]}");
        assert_eq!(pieces.concat(), body.bytes(&upstream));
        assert_eq!(pieces[0].as_ptr(), upstream.as_ptr());
        assert_eq!(pieces[2].as_ptr(), upstream[15..].as_ptr());
    }

    #[test]
    fn a_piece_outside_the_upstreams_body_is_no_body_at_all() {
        let mut body = Body::default();
        body.keep(0..10);
        assert!(Pieces::of(&body, &Bytes::from_static(b"short")).is_none());
    }

    #[test]
    fn no_body_has_no_bytes() {
        assert_eq!(Pieces::of(&Body::default(), &Bytes::new()).unwrap().size(), BodySize::Sized(0));
    }
}

//! Writing beside work: what is ready goes out while the next is made.

use std::panic::resume_unwind;
use std::thread;

/// Does `write` on a thread of its own and `make` on this one, until both are done.
///
/// This thread may be one of rayon's, and it waits without doing others' work: so `write` must not wait for rayon's
/// threads, which all may be waiting like this one. It writes bytes that are there already.
pub fn beside<A: Send, B>(mut write: impl FnMut() -> A + Send, make: impl FnOnce() -> B) -> (A, B) {
    let (written, made) = thread::scope(|scope| {
        let writing = thread::Builder::new().name("bitmill-write".into()).spawn_scoped(scope, &mut write);
        let made = make();
        (writing.ok().map(|writing| writing.join().unwrap_or_else(|panic| resume_unwind(panic))), made)
    });
    // A system without a thread to spare has them one after the other.
    (written.unwrap_or_else(write), made)
}

/// Makes something of each of several batches, in order, and writes it while the next is made: two of them are held at
/// a time. `make` gives nothing where nothing is to be written.
///
/// # Errors
/// The first of either.
pub fn pipelined<B, M: Send + Sync, E: Send>(
    batches: impl IntoIterator<Item = B>,
    mut make: impl FnMut(B) -> Result<Option<M>, E>,
    mut write: impl FnMut(&M) -> Result<(), E> + Send,
) -> Result<(), E> {
    let mut ready: Option<M> = None;
    for batch in batches {
        let (written, made) = match ready.take() {
            Some(ready) => beside(|| write(&ready), || make(batch)),
            None => (Ok(()), make(batch)),
        };
        written?;
        ready = made?;
    }
    ready.as_ref().map_or(Ok(()), write)
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn everything_is_written_once_in_order_up_to_an_error() {
        let run = |broken: Option<u32>| {
            let mut written = Vec::new();
            let make = |n: u32| if Some(n) == broken { Err(n) } else { Ok((!n.is_multiple_of(3)).then_some(n)) };
            let done = pipelined(0..8, make, |n| {
                written.push(*n);
                Ok(())
            });
            (done, written)
        };
        assert_eq!(run(None), (Ok(()), vec![1, 2, 4, 5, 7]));
        assert_eq!(run(Some(5)), (Err(5), vec![1, 2, 4]));
        assert_eq!(pipelined(0..3, |n| Ok(Some(n)), |n| if *n == 1 { Err("full") } else { Ok(()) }), Err("full"));
    }

    #[test]
    fn a_pool_of_one_thread_does_not_wait_for_itself() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let sum = pool.install(|| {
            let both = |n: u64| beside(|| n, || (0..100_000u64).into_par_iter().sum::<u64>() % 7);
            (0..20u64).into_par_iter().map(|n| both(n).0).sum::<u64>()
        });
        assert_eq!(sum, 190);
    }
}

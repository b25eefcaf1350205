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

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

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

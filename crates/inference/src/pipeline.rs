//! Pictures are read, decoded and made small ahead of the network, by threads of their own, so that it does not wait.

use std::sync::mpsc::sync_channel;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Batches that wait for the network at most. More would only be memory.
const WAITING: usize = 2;

/// `prepare` each batch ahead of `consume`, which gets them in order, on the thread that calls. `prepare` runs one batch at a
/// time; what it deals out by rayon goes to a pool of its own, since a thread of the network's pool that takes up a picture
/// while it waits for its neighbours would hold all of them up.
///
/// # Errors
/// The first of `consume`; nothing is prepared after it.
pub fn ahead<B: Send, P: Send, E>(
    batches: impl Iterator<Item = B> + Send,
    prepare: impl Fn(B) -> P + Send + Sync,
    mut consume: impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    let pool = own_pool();
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(WAITING);
        scope.spawn(move || {
            for batch in batches {
                let prepared = match &pool {
                    Some(pool) => pool.install(|| prepare(batch)),
                    None => prepare(batch),
                };
                if send.send(prepared).is_err() {
                    return;
                }
            }
        });
        receive.into_iter().try_for_each(&mut consume)
    })
}

/// None where no threads are to be had; the network's do then.
fn own_pool() -> Option<ThreadPool> {
    ThreadPoolBuilder::new().thread_name(|i| format!("decode-{i}")).build().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn batches_come_in_order_and_few_wait() {
        let prepared = AtomicUsize::new(0);
        let mut consumed = vec![];
        let done: Result<(), ()> = ahead(
            0..20,
            |i| {
                prepared.fetch_add(1, Ordering::SeqCst);
                i * i
            },
            |square| {
                consumed.push(square);
                // One is at hand, WAITING wait, one was prepared and finds no room.
                assert!(prepared.load(Ordering::SeqCst) <= consumed.len() + WAITING + 1);
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        assert_eq!(consumed, (0..20).map(|i| i * i).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_ends_it() {
        let prepared = AtomicUsize::new(0);
        let prepare = |i: usize| {
            prepared.fetch_add(1, Ordering::SeqCst);
            i
        };
        let done = ahead(0..1000, prepare, |i| if i == 3 { Err(i) } else { Ok(()) });
        assert_eq!(done, Err(3));
        assert!(prepared.load(Ordering::SeqCst) <= 4 + WAITING + 2);
    }
}

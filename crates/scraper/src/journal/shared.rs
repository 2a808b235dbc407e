//! The journal as tasks share it: one thread writes, and what waits at one moment is made durable together.
//!
//! Each write still is durable before its task goes on. But the disk is waited for once a group, not once a write: many tasks
//! cost hardly more than one.

use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use super::Journal;
use crate::{Error, Result};

/// The most writes that wait for the disk together. The first of them waits for the last.
const GROUP: usize = 256;

/// Does something with the journal, and hands back what tells its task how it ended once the group is durable.
type Job = Box<dyn FnOnce(&mut Journal) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<()>) + Send>;

/// A journal that tasks share. Clones are the same journal; it is closed when the last of them goes.
#[derive(Clone)]
pub struct SharedJournal(Sender<Job>);

impl SharedJournal {
    /// Share a journal.
    pub fn new(journal: Journal) -> Self {
        let (jobs, queue) = channel();
        std::thread::spawn(move || write_groups(journal, &queue));
        SharedJournal(jobs)
    }

    /// Change the journal. What was changed is durable when this returns.
    pub async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Journal) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (tell, told) = oneshot::channel();
        self.send(Box::new(move |journal| {
            let done = act(journal);
            Box::new(move |durable| drop(tell.send(durable.and(done))))
        }))?;
        told.await.map_err(|_| ended())?
    }

    /// Look something up, without waiting for the disk.
    pub async fn look<T: Send + 'static>(&self, act: impl FnOnce(&Journal) -> Result<T> + Send + 'static) -> Result<T> {
        let (tell, told) = oneshot::channel();
        self.send(Box::new(move |journal| {
            drop(tell.send(act(journal)));
            Box::new(drop)
        }))?;
        told.await.map_err(|_| ended())?
    }

    fn send(&self, job: Job) -> Result<()> {
        self.0.send(job).map_err(|_| ended())
    }
}

fn ended() -> Error {
    Error::Internal("the journal's thread ended".into())
}

fn write_groups(mut journal: Journal, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        journal.begin_group();
        let mut replies = vec![first(&mut journal)];
        while replies.len() < GROUP
            && let Ok(job) = queue.try_recv()
        {
            replies.push(job(&mut journal));
        }
        let mut durable = journal.end_group();
        for reply in replies {
            let again = match &durable {
                Ok(()) => Ok(()),
                Err(error) => Err(error.again()),
            };
            reply(std::mem::replace(&mut durable, again));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goodtwin_core::ContentId;
    use jiff::Timestamp;

    use super::*;
    use crate::journal::fetched::RobotsRow;

    fn row() -> RobotsRow {
        RobotsRow { fetched_at: Timestamp::UNIX_EPOCH, outcome: "allow-all".into(), body: vec![] }
    }

    #[tokio::test]
    async fn writes_that_wait_together_are_kept_and_one_that_fails_takes_no_other_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl.sqlite");
        let journal = SharedJournal::new(Journal::open(&path).unwrap());
        let write = |n: usize| journal.with(move |journal| journal.put_robots(&format!("http://{n}"), &row()));
        let fails = journal.with(|journal| {
            journal.transact(|tx| {
                tx.execute("INSERT INTO runs (id, config, started_at) VALUES (7, 'half', '')", [])?;
                tx.execute("INSERT INTO nowhere VALUES (1)", []).map(drop)
            })
        });
        let (done, failed) = tokio::join!(futures::future::join_all((0..600).map(write)), fails);
        assert!(done.into_iter().all(|d| d.is_ok()));
        assert!(failed.unwrap_err().to_string().contains("nowhere"));
        assert!(journal.look(|journal| journal.robots("http://599")).await.unwrap().is_some());
        drop(journal);
        let mut journal = Journal::open(&path).unwrap();
        assert!((0..600).all(|n| journal.robots(&format!("http://{n}")).unwrap().is_some()));
        let run = journal.begin_run(&ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(run.0, 1, "half a write is none");
    }

    #[tokio::test]
    async fn a_group_that_the_disk_refuses_is_refused_to_all_of_it() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        journal.with(|db| db.execute_batch("PRAGMA max_page_count = 60")).unwrap();
        journal.begin_group();
        let large = RobotsRow { body: vec![7; 10_000], ..row() };
        let outcomes: Vec<bool> = (0..60).map(|n| journal.put_robots(&format!("http://{n}"), &large).is_ok()).collect();
        assert!(outcomes[0] && outcomes.contains(&false));
        let error = journal.end_group().unwrap_err();
        assert_eq!((error.exit_code(), Error::again(&error).exit_code()), (74, 74));
        assert!(error.to_string().contains("full"), "{error}");
        assert_eq!(journal.robots("http://0").unwrap(), None, "nothing of the group is there");
    }
}

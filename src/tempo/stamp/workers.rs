//! The threads that hold and stamp, for all tenants together.
//!
//! - A fixed number, of our own: stamping is CPU, and a trace that left memory is read from disk; neither may use up the threads that
//!   requests wait for, however many tenants there are.
//! - A tenant has at most one job at a time, so what waits is bounded by the number of tenants that are being forwarded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The last handle to go ends the threads, once they have done what was given to them.
#[derive(Debug)]
pub(in crate::tempo) struct Workers {
    jobs: mpsc::Sender<Job>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// The job panicked, or no thread was left to do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tempo) struct Undone;

// === impl Workers ===

impl Clone for Workers {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), threads: self.threads.clone() }
    }
}

impl Workers {
    /// Starts `n_threads`; without any no job may be given.
    pub(in crate::tempo) fn start(n_threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for n in 0..n_threads {
            let queue = queue.clone();
            threads.push(std::thread::Builder::new().name(format!("stamp-{n}")).spawn(move || work(&queue))?);
        }
        Ok(Self { jobs, threads: Arc::new(Mutex::new(threads)) })
    }

    /// Runs a job on one of the threads and waits for it. A caller that is gone by the time it would begin is not waited for.
    pub(in crate::tempo) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Undone> {
        let (sender, result) = oneshot::channel();
        let job = move || {
            if !sender.is_closed() {
                let _ = sender.send(job());
            }
        };
        self.jobs.send(Box::new(job)).map_err(|_| Undone)?;
        result.await.map_err(|_| Undone)
    }

    /// Waits for the threads to end. Blocks; the other handles must be gone.
    pub(in crate::tempo) fn join(self) {
        let Self { jobs, threads } = self;
        drop(jobs);
        let threads = std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A job that panics does not end its thread.
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Whoever waits for the job learns of a panic because it is not answered.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn any_number_of_jobs_runs_on_as_many_threads_as_were_asked_for() {
        let workers = Workers::start(2).unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let job = || {
            let (running, most) = (running.clone(), most.clone());
            workers.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(2));
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let done = futures_util::future::join_all((0..40).map(|_| job())).await;
        assert!(done.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), 2);
        tokio::task::spawn_blocking(|| workers.join()).await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_is_reported_and_its_thread_goes_on() {
        let workers = Workers::start(1).unwrap();
        assert_eq!(workers.run(|| panic!("as the test wants")).await, Err::<(), _>(Undone));
        assert_eq!(workers.run(|| 7).await, Ok(7));
    }
}

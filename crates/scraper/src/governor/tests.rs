//! When hosts get their turns, on a clock of the test's own.

use super::*;
use crate::stop::Stopper;

const TENTH: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_host_waits_its_longest_delay_and_others_do_not_wait_for_it() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    governor.at_least("a:80", TENTH);
    governor.at_least("a:80", TENTH * 3);
    governor.at_least("a:80", TENTH * 2);
    for n in 0..3 {
        let turn = governor.turn("a:80").await.unwrap();
        assert_eq!(clock.elapsed(), TENTH * 3 * n);
        turn.answered();
    }
    governor.turn("b:80").await.unwrap();
    assert_eq!(clock.elapsed(), TENTH * 6, "another host is not held up");
}

#[tokio::test]
async fn a_host_is_asked_one_thing_at_a_time() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    let first = governor.turn("a:80").await.unwrap();
    let mut second = Box::pin(governor.turn("a:80"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..3 {
        assert!(second.as_mut().poll(&mut context).is_pending());
    }
    drop(first);
    second.await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_waited_for_then_forgiven_by_halves() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    governor.turn("a:80").await.unwrap().refused(Some(Duration::from_secs(8)));
    let turn = governor.turn("a:80").await.unwrap();
    assert_eq!(clock.elapsed(), Duration::from_secs(8));
    turn.answered();
    drop(turn);
    governor.turn("a:80").await.unwrap().answered();
    assert_eq!(clock.elapsed(), Duration::from_secs(12));
}

#[tokio::test]
async fn a_host_that_goes_on_refusing_is_stalled() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    for _ in 0..=MAX_REFUSALS {
        governor.turn("a:80").await.unwrap().refused(None);
    }
    assert!(matches!(governor.turn("a:80").await, Err(NoTurn::Stalled { .. })));
    governor.turn("b:80").await.unwrap().refused(Some(Duration::from_secs(3600)));
    let error = governor.turn("b:80").await.err().unwrap();
    assert!(error.to_string().contains("Retry-After: 3600 s"), "{error}");
}

#[tokio::test]
async fn faults_of_pages_slow_a_host_down_within_bounds_and_do_not_stall_it() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    for _ in 0..100 {
        governor.turn("a").await.unwrap().faulted();
    }
    let before = clock.elapsed();
    governor.turn("a").await.unwrap().answered();
    assert_eq!(clock.elapsed() - before, MAX_FAULT_PENALTY);
    // What a host asked for itself is not made shorter by a fault.
    governor.turn("b").await.unwrap().refused(Some(Duration::from_secs(60)));
    governor.turn("b").await.unwrap().faulted();
    let before = clock.elapsed();
    governor.turn("b").await.unwrap().answered();
    assert_eq!(clock.elapsed() - before, Duration::from_secs(60));
    for _ in 0..=MAX_SILENCES {
        governor.turn("c").await.unwrap().silent();
    }
    assert!(matches!(governor.turn("c").await, Err(NoTurn::Stalled { .. })));
}

#[tokio::test]
async fn a_crawl_delay_is_obeyed_up_to_the_longest_wait_and_beyond_it_the_host_is_not_asked() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    governor.crawl_delay("a", MAX_WAIT);
    drop(governor.turn("a").await.unwrap());
    drop(governor.turn("a").await.unwrap());
    assert_eq!(clock.elapsed(), MAX_WAIT);
    governor.crawl_delay("b", MAX_WAIT + Duration::from_secs(1));
    let error = governor.turn("b").await.err().unwrap();
    assert!(matches!(error, NoTurn::TooSlow { .. }) && error.to_string().contains("Crawl-delay: 121 s"), "{error}");
}

#[tokio::test]
async fn nobody_gets_a_turn_once_the_run_stops() {
    let (stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    governor.at_least("a:80", Duration::from_secs(3600));
    drop(governor.turn("a:80").await.unwrap());
    let (turn, ()) = tokio::join!(governor.turn("a:80"), async { stopper.stop() });
    assert_eq!(turn.err(), Some(NoTurn::Stopping));
}

#[tokio::test]
async fn a_host_that_labours_rests_as_long_as_it_laboured_and_trust_comes_back_by_halves() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::new(clock.clone(), stop);
    governor.at_least("a:80", TENTH);
    let waited = async |took: Duration| {
        let asked = clock.elapsed();
        let turn = governor.turn("a:80").await.unwrap();
        let waited = clock.elapsed() - asked;
        clock.until(clock.elapsed() + took).await;
        turn.heard();
        turn.answered();
        waited
    };
    assert_eq!(waited(TENTH * 8).await, Duration::ZERO);
    assert_eq!(waited(Duration::ZERO).await, TENTH * 8);
    assert_eq!(waited(Duration::ZERO).await, TENTH * 4);
    assert_eq!(waited(TENTH * 9).await, TENTH * 2);
    assert_eq!(waited(Duration::from_secs(3600)).await, TENTH * 9);
    assert_eq!(waited(Duration::ZERO).await, MAX_REST);
}

#[tokio::test]
async fn only_hosts_on_this_machine_can_go_unpaced() {
    let (_stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let governor = Governor::unpaced_on_loopback(clock.clone(), stop, 2);
    for host in ["127.0.0.1:80", "shop.example"] {
        governor.at_least(host, TENTH);
    }
    let (first, second) = (governor.turn("127.0.0.1:80").await.unwrap(), governor.turn("127.0.0.1:80").await.unwrap());
    drop((first, second));
    drop(governor.turn("127.0.0.1:80").await.unwrap());
    assert_eq!(clock.elapsed(), Duration::ZERO);
    drop(governor.turn("shop.example").await.unwrap());
    drop(governor.turn("shop.example").await.unwrap());
    assert_eq!(clock.elapsed(), TENTH);
}

//! A pool of `r2d2` whose connections are numbers.

use std::convert::Infallible;

use meterkit_pools::observe_in;
use r2d2::{ManageConnection, Pool};

use crate::seen::{registry, wait_for};

struct Numbers;

impl ManageConnection for Numbers {
    type Connection = u32;
    type Error = Infallible;

    fn connect(&self) -> Result<u32, Infallible> {
        Ok(7)
    }

    fn is_valid(&self, _: &mut u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

fn state(idle: u32, used: u32, idle_min: u32) -> [String; 4] {
    [
        format!("count{{pool.name=main,state=idle}} {idle}"),
        format!("count{{pool.name=main,state=used}} {used}"),
        "max{pool.name=main} 3".to_owned(),
        format!("idle.min{{pool.name=main}} {idle_min}"),
    ]
}

#[test]
fn connections_are_counted_by_state() {
    let registry = registry();
    let pool = Pool::builder().max_size(3).min_idle(Some(1)).build(Numbers).unwrap();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    wait_for(&registry, &state(1, 0, 1).each_ref().map(|line| &**line));
    let first = pool.get().unwrap();
    // The pool opens another connection, so that one connection stays idle.
    wait_for(&registry, &state(1, 1, 1).each_ref().map(|line| &**line));
    let second = pool.get().unwrap();
    wait_for(&registry, &state(1, 2, 1).each_ref().map(|line| &**line));
    drop((first, second));
    wait_for(&registry, &state(3, 0, 1).each_ref().map(|line| &**line));
}

#[test]
fn without_a_minimum_all_connections_are_kept_idle() {
    let registry = registry();
    let pool = Pool::builder().max_size(3).build(Numbers).unwrap();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    wait_for(&registry, &state(3, 0, 3).each_ref().map(|line| &**line));
}

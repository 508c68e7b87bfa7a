//! The numbers of Loom's threads, all of which run on a single thread of the operating system.

pub(crate) fn thread_number() -> usize {
    let id = format!("{:?}", loom::thread::current().id());
    let digits = id.chars().filter_map(|it| it.to_digit(10));
    digits.fold(0, |number, digit| number * 10 + digit as usize)
}

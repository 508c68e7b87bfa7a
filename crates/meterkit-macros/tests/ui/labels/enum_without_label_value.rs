use meterkit::Labels;

enum Kind {
    Create,
}

#[derive(Labels)]
struct Request {
    kind: Kind,
}

fn main() {}

use meterkit::Labels;

#[derive(Labels)]
#[label(crate = "elsewhere")]
struct Request {
    status: u16,
}

fn main() {}

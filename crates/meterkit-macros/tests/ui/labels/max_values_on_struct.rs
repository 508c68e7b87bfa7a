use meterkit::Labels;

#[derive(Labels)]
#[label(max_values = 5)]
struct Request {
    status: u16,
}

fn main() {}

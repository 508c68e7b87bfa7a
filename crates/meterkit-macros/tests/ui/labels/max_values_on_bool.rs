use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(max_values = 5)]
    status: bool,
}

fn main() {}

use meterkit::Labels;

#[derive(Labels)]
struct Request {
    seconds: f64,
    le: u16,
    #[label(key = "a", max_values = 0)]
    status: u16,
}

fn main() {}

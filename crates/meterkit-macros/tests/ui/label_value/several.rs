use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(name = "a")]
    Done,
    Status(u16),
}

fn main() {}

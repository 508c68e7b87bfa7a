use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(name = "a")]
    Done,
}

fn main() {}

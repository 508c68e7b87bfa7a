use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(rename = "a", rename = "b")]
    Done,
}

fn main() {}

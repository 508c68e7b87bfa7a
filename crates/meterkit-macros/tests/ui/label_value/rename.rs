use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(rename = "a")]
    Done,
}

fn main() {}

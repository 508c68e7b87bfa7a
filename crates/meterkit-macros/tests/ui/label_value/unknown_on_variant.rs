use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(text = "a")]
    Done,
}

fn main() {}

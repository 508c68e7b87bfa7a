use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(name = "a", name = "b")]
    Done,
}

fn main() {}

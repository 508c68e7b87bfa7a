use meterkit::LabelValue;

#[derive(LabelValue)]
enum NoVariants {}

#[derive(LabelValue)]
struct Struct {
    done: bool,
}

#[derive(LabelValue)]
union Union {
    done: bool,
}

#[derive(LabelValue)]
enum VariantWithFields {
    Done,
    Status(u16),
}

fn main() {}

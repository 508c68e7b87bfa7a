//! Installing, shutting down, and installing again.

use meterkit::settings::{Naming, NamingPolicy};
use meterkit::target::{ConsoleTarget, FlushError};
use meterkit::{Error, InstallError, Registry, Telemetry};

use crate::page::Page;

#[test]
fn a_second_install_is_refused_until_the_first_is_shut_down() {
    let registry = Registry::new();
    let install = || Telemetry::builder().registry(registry.clone()).install();
    let first = install().unwrap();
    let refused = install();
    assert!(matches!(refused, Err(InstallError::AlreadyInstalled)));
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("installed already") && text.contains("shut down before"), "{text}");

    first.shutdown_blocking().unwrap();
    let second = install().unwrap();
    drop(second);
    install().unwrap().shutdown_blocking().unwrap();
}

#[test]
fn an_attribute_is_on_every_series_unless_a_nearer_one_has_its_key() {
    let (registry, page) = (Registry::new(), Page::default());
    let meter = registry.scoped("plugin", "catalog");
    let early = meter.counter::<u64>("early").build().unwrap();
    let telemetry = Telemetry::builder()
        .registry(registry)
        .attribute("region", "north")
        .attribute("tier", "gold")
        .target(ConsoleTarget::new(page.clone()))
        .install()
        .unwrap();
    early.increment();
    meter.counter::<u64>("late").attribute("tier", "silver").build().unwrap().increment();
    telemetry.shutdown_blocking().unwrap();
    let text = page.text();
    assert!(text.contains("catalog.early{region=\"north\",tier=\"gold\"} 1\n"), "{text}");
    assert!(text.contains("catalog.late{region=\"north\",tier=\"silver\"} 1\n"), "{text}");
}

#[test]
fn an_attribute_with_a_reserved_key_is_refused_by_name() {
    let builder = Telemetry::builder().registry(Registry::new());
    let text = builder.attribute("le", "1").install().unwrap_err().to_string();
    assert!(text.contains("`le`") && text.contains("reserved"), "{text}");
}

#[test]
fn a_main_that_fails_shows_the_text_of_the_error() {
    fn main() -> Result<(), Box<dyn std::error::Error>> {
        let builder = Telemetry::builder().registry(Registry::new());
        let _telemetry = builder.attribute("le", "1").install()?;
        Ok(())
    }
    let error = main().unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let nested = Error::from(InstallError::AlreadyInstalled);
    assert_eq!(format!("{nested:?}"), nested.to_string());
}

#[test]
fn two_registries_are_installed_side_by_side() {
    let registries = [Registry::new(), Registry::new()];
    let pages = [Page::default(), Page::default()];
    let installed: Vec<Telemetry> = registries
        .iter()
        .zip(&pages)
        .map(|(registry, page)| {
            let console = ConsoleTarget::new(page.clone());
            Telemetry::builder().registry(registry.clone()).target(console).install().unwrap()
        })
        .collect();
    for (registry, count) in registries.iter().zip([3, 5]) {
        let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
        requests.unwrap().add(count);
    }
    for telemetry in installed {
        telemetry.shutdown_blocking().unwrap();
    }
    for (page, count) in pages.iter().zip([3, 5]) {
        let line = format!("backstage.plugin.catalog.requests {count}\n");
        assert!(page.text().contains(&line), "{}", page.text());
    }
}

#[test]
fn counts_from_before_the_install_are_kept_and_continue_after_the_shutdown() {
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap();
    requests.add(4);
    for expected in [4, 6] {
        let page = Page::default();
        let console = ConsoleTarget::new(page.clone());
        let builder = Telemetry::builder().registry(registry.clone()).target(console);
        let telemetry = builder.install().unwrap();
        telemetry.shutdown_blocking().unwrap();
        requests.add(2);
        let line = format!("backstage.plugin.catalog.requests {expected}\n");
        assert!(page.text().contains(&line), "{}", page.text());
    }
    assert_eq!(requests.value(), 8);
}

#[test]
fn a_namespace_that_makes_a_name_too_long_is_refused_and_nothing_runs() {
    let registry = Registry::new();
    let name = "a".repeat(255 - "backstage.plugin.catalog.".len());
    registry.scoped("plugin", "catalog").counter::<u64>(name).build().unwrap().add(1);
    let naming = Naming::new("backstages", NamingPolicy::Prefixed).unwrap();
    let refused = Telemetry::builder().registry(registry.clone()).naming(naming).install();
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("namespace `backstages`") && text.contains("256 characters"), "{text}");
    let again = Telemetry::builder().registry(registry).install();
    again.expect("the registry is free").shutdown_blocking().unwrap();
}

#[test]
fn an_invalid_namespace_is_refused_with_a_valid_suggestion() {
    let builder = Telemetry::builder().registry(Registry::new());
    let text = builder.namespace("My Company").install().unwrap_err().to_string();
    assert!(text.contains("`My Company`") && text.contains("write `my_company`"), "{text}");
}

#[test]
fn settings_of_the_builder_appear_in_exports() {
    let registry = Registry::new();
    let page = Page::default();
    let telemetry = Telemetry::builder()
        .registry(registry.clone())
        .namespace("acme")
        .service_name("shop")
        .resource_attribute("zone", "b")
        .target(ConsoleTarget::new(page.clone()))
        .install()
        .unwrap();
    registry.scoped("core", "database").gauge::<i64>("rows").build().unwrap().set(7);
    let resource = &telemetry.source().snapshot_blocking().resource;
    assert_eq!(resource.get("service.name").unwrap().to_string(), "shop");
    assert_eq!(resource.get("zone").unwrap().to_string(), "b");
    assert_eq!(resource.get("telemetry.sdk.language").unwrap().to_string(), "rust");
    telemetry.shutdown_blocking().unwrap();
    assert!(page.text().contains("acme.core.database.rows 7\n"), "{}", page.text());
}

#[tokio::test]
async fn flush_and_shutdown_are_there_for_async_programs() {
    let registry = Registry::new();
    let page = Page::default();
    let console = ConsoleTarget::new(page.clone());
    let telemetry =
        Telemetry::builder().registry(registry.clone()).target(console).install().unwrap();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap();
    requests.increment();
    telemetry.flush().await.unwrap();
    assert!(page.text().contains("requests 1\n"));
    requests.increment();
    telemetry.shutdown().await.unwrap();
    assert!(page.text().contains("requests 2\n"));
    telemetry.shutdown().await.unwrap();
}

#[test]
fn each_error_of_the_library_is_an_error_of_main_with_the_same_text() {
    let registry = Registry::new();
    let telemetry = Telemetry::builder().registry(registry.clone()).install().unwrap();
    let install = Telemetry::builder().registry(registry.clone()).install().unwrap_err();
    let instrument = registry.scoped("plugin", "catalog").counter::<u64>("Bad Name").build();
    let instrument = instrument.unwrap_err();
    telemetry.shutdown_blocking().unwrap();
    let flush: FlushError = telemetry.flush_blocking().unwrap_err();
    let texts = [install.to_string(), instrument.to_string(), flush.to_string()];
    let errors = [Error::from(install), Error::from(instrument), Error::from(flush)];
    for (error, text) in errors.iter().zip(texts) {
        assert_eq!(error.to_string(), text);
        assert_eq!(format!("{error:?}"), text, "a failing `main` prints `Debug`");
    }
}

// An OpenTelemetry Collector with the receiver for OTLP, an exporter that writes what it is given to a file, and what the
// gateway of examples/deploy is made of, so that its configuration can be validated.
//
// `integration-tests/peers meterkit-otelcol` builds it from Debian's packages.
package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// version is the version of the package that this is built from.
var version = "unknown"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("meterkit-otelcol, version " + version)
		return
	}
	settings := otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "meterkit-otelcol", Version: version},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				DefaultScheme:     "yaml",
				ProviderFactories: []confmap.ProviderFactory{
					yamlprovider.NewFactory(), fileprovider.NewFactory(), envprovider.NewFactory(),
				},
			},
		},
	}
	if err := otelcol.NewCommand(settings).Execute(); err != nil {
		os.Exit(1)
	}
}

func factories() (otelcol.Factories, error) {
	otlp, file, otlpHTTP := otlpreceiver.NewFactory(), newFileExporter(), otlphttpexporter.NewFactory()
	memory := memorylimiterprocessor.NewFactory()
	return otelcol.Factories{
		Receivers:  map[component.Type]receiver.Factory{otlp.Type(): otlp},
		Processors: map[component.Type]processor.Factory{memory.Type(): memory},
		Exporters:  map[component.Type]exporter.Factory{file.Type(): file, otlpHTTP.Type(): otlpHTTP},
		Telemetry:  otelconftelemetry.NewFactory(),
	}, nil
}

// fileExporter writes a line of OTLP's JSON for each request.
type fileExporter struct {
	component.StartFunc
	component.ShutdownFunc
	file *os.File
}

type fileConfig struct {
	Path string `mapstructure:"path"`
}

func newFileExporter() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("file"),
		func() component.Config { return &fileConfig{} },
		exporter.WithMetrics(
			func(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Metrics, error) {
				path := config.(*fileConfig).Path
				file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				return &fileExporter{file: file}, err
			},
			component.StabilityLevelDevelopment,
		),
	)
}

func (e *fileExporter) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{}
}

// ConsumeMetrics returns when the line is written: only then is the request acknowledged.
func (e *fileExporter) ConsumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	line, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	if err != nil {
		return err
	}
	_, err = e.file.Write(append(line, '\n'))
	return err
}

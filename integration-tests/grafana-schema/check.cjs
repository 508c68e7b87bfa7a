#!/usr/bin/env node
// Checks dashboards against the schema that Grafana publishes as types: @grafana/schema. Unknown keys, missing keys, and
// values of another type are errors.
//
// usage: grafana-schema FILE.json...   exit status 0 if all are valid; otherwise prints the errors to standard output

"use strict";

const { spawnSync } = require("node:child_process");
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { basename, join } = require("node:path");

// npm installs the packages beside this file's folder: see `integration-tests/peers`.
const modules = join(__dirname, "../lib/node_modules");
const schema = join(modules, "@grafana/schema");

// Returns the part of a document that a type describes, and the module and the name of that type.
function described(document) {
    if (document.apiVersion === undefined) {
        return [document, "raw/dashboard/x/types.gen", "Dashboard"];
    }
    const version = document.apiVersion.split("/")[1];
    return [document.spec, `schema/dashboard/${version}/types.spec.gen`, "Spec"];
}

function check(file, folder) {
    const [value, module, type] = described(JSON.parse(readFileSync(file, "utf8")));
    const source = join(folder, `${basename(file, ".json")}.ts`);
    const from = JSON.stringify(join(schema, "dist/types", module));
    // Written as literals, because TypeScript rejects unknown keys only in literals.
    const text = JSON.stringify(value, null, 2);
    writeFileSync(source, `import type { ${type} } from ${from};\nexport const it: ${type} = ${text};\n`);
    const compiler = join(modules, "typescript/bin/tsc");
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "es2022"];
    const resolution = ["--moduleResolution", "bundler"];
    const run = spawnSync(process.execPath, [compiler, ...options, ...resolution, source], { encoding: "utf8" });
    process.stdout.write(run.stdout + run.stderr);
    return run.status === 0;
}

function main(files) {
    if (files[0] === "--version") {
        const { version } = JSON.parse(readFileSync(join(schema, "package.json"), "utf8"));
        console.log(`grafana-schema, version ${version}`);
        return true;
    }
    const folder = mkdtempSync(join(tmpdir(), "grafana-schema-"));
    try {
        return files.length > 0 && files.map((file) => check(file, folder)).every((fits) => fits);
    } finally {
        rmSync(folder, { recursive: true });
    }
}

process.exitCode = main(process.argv.slice(2)) ? 0 : 1;

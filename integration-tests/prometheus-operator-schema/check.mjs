#!/usr/bin/env node
// Checks objects of the Prometheus operator against its own definitions, which the package
// @kubernetes-models/prometheus-operator has in two forms. Types detect unknown keys; validators detect missing
// keys, wrong types and values that a pattern excludes, such as a duration that contains a space.
//
// usage: prometheus-operator-schema FILE.json...   one object per file; exit status 0 if all are valid; otherwise prints
// the errors to standard output

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// npm installs the packages beside this file's folder: see `integration-tests/peers`.
const modules = fileURLToPath(new URL("../lib/node_modules", import.meta.url));
const models = join(modules, "@kubernetes-models/prometheus-operator");

// Returns the errors in an object, or nothing.
async function validate(object) {
    const { [object.kind]: Kind } = await import(join(models, object.apiVersion, "index.js"));
    if (Kind === undefined) {
        return `the operator has no ${object.kind} in ${object.apiVersion}`;
    }
    const { apiVersion, kind, ...fields } = object;
    try {
        new Kind(fields).validate();
        return "";
    } catch (error) {
        return error.message;
    }
}

// Written as literals, because TypeScript rejects unknown keys only in literals.
function findUnknownKeys(objects, folder) {
    const sources = objects.map((object, number) => {
        const source = join(folder, `${number}-${object.kind}.ts`);
        const from = JSON.stringify(join(models, object.apiVersion, "index.js"));
        const text = JSON.stringify(object, null, 2);
        const type = `I${object.kind}`;
        writeFileSync(source, `import type { ${type} } from ${from};\nexport const it: ${type} = ${text};\n`);
        return source;
    });
    const compiler = join(modules, "typescript/bin/tsc");
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "es2022"];
    const resolution = ["--moduleResolution", "bundler"];
    const run = spawnSync(process.execPath, [compiler, ...options, ...resolution, ...sources], { encoding: "utf8" });
    return run.stdout + run.stderr;
}

async function check(files) {
    const objects = files.map((file) => JSON.parse(readFileSync(file, "utf8")));
    const said = [];
    for (const object of objects) {
        const wrong = await validate(object);
        if (wrong) {
            said.push(`${object.kind} ${object.metadata?.name}: ${wrong}`);
        }
    }
    if (said.length > 0) {
        return said.join("\n");
    }
    const folder = mkdtempSync(join(tmpdir(), "prometheus-operator-schema-"));
    try {
        return findUnknownKeys(objects, folder);
    } finally {
        rmSync(folder, { recursive: true });
    }
}

async function main(files) {
    if (files[0] === "--version") {
        const { version } = JSON.parse(readFileSync(join(models, "package.json"), "utf8"));
        console.log(`prometheus-operator-schema, version ${version}`);
        return true;
    }
    const said = await check(files);
    process.stdout.write(said);
    return files.length > 0 && said === "";
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;

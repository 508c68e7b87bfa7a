#!/usr/bin/env node
// Checks objects of the Prometheus operator against its own definitions, which the package
// @kubernetes-models/prometheus-operator has in two forms. Types find keys that do not exist; validators find missing
// keys, wrong types and values that a pattern excludes, such as a duration with a space in it.
//
// usage: prometheus-operator-schema FILE.json...   one object a file; exit status 0 when all are valid, otherwise what
// is wrong on standard output

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Beside this file's folder, where `integration-tests/peers` has npm put them.
const modules = fileURLToPath(new URL("../lib/node_modules", import.meta.url));
const models = join(modules, "@kubernetes-models/prometheus-operator");

// What is wrong with an object, or nothing.
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

// Written out as literals, since only a literal may not have keys that its type lacks.
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

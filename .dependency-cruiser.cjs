// The house rules of imports: an arrow never points up the list domain < services < layers < programs, no loops
// (type-only imports count), and src names the module it needs instead of a package's barrel (start-up time).
/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-circular",
      comment: "No two files import each other in a loop, not even for types.",
      severity: "error",
      from: {},
      to: { circular: true }
    },
    {
      name: "domain-is-pure",
      comment:
        "domain imports only itself, effect and parsers (content-disposition, structured-headers, saxes, ip-address): no IO, no services, no node builtins.",
      severity: "error",
      from: { path: "^src/domain/" },
      to: {
        pathNot: [
          "^src/domain/",
          "^node_modules/effect/",
          "^node_modules/(content-disposition|structured-headers|saxes|ip-address)/"
        ]
      }
    },
    {
      name: "services-import-domain",
      comment: "services say what is needed and offered; how is the business of layers.",
      severity: "error",
      from: { path: "^src/services/" },
      to: { path: "^src/", pathNot: "^src/(services|domain)/" }
    },
    {
      name: "layers-import-services",
      comment: "layers implement services over domain; putting them together is the business of programs.",
      severity: "error",
      from: { path: "^src/layers/" },
      to: { path: "^src/", pathNot: "^src/(layers|services|domain)/" }
    },
    {
      name: "nothing-imports-index",
      comment: "src/index.ts is for users of the library; inside src import the module itself.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^src/index[.]ts$" }
    },
    {
      name: "src-not-to-test",
      comment: "What ships does not depend on what tests it.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|examples)/" }
    },
    {
      name: "no-barrels",
      comment:
        'Import "effect/Effect", not "effect" (likewise @effect/*): a barrel costs hundreds of ms at start-up.',
      severity: "error",
      from: { path: "^src/" },
      to: { path: ["^node_modules/effect/.*/index[.]", "^node_modules/@effect/.*/index[.]"] }
    },
    {
      name: "not-to-dev-dependency",
      comment: "src ships: what it imports belongs into dependencies.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm"] }
    },
    {
      name: "not-to-undeclared",
      comment: "Every imported package stands in package.json.",
      severity: "error",
      from: {},
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] }
    },
    {
      name: "not-to-unresolvable",
      comment: "An import that resolves to nothing.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|reports|coverage)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      mainFields: ["module", "main", "types"]
    }
  }
}

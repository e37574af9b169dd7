// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension Project {
  /// The JSON Schema of project files (draft 7, which editors know best), for completion and checks
  /// while somebody writes. `weir check` finds more: it knows how parts fit each other.
  public static var jsonSchema: JSONValue {
    var schema = object(ProjectKeys.root, required: ["streams"])
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    schema["title"] = "weir.yaml"
    schema["description"] = "A Weir project: streams, what is made of them, and where they run."
    let definitions: [(String, JSONValue)] = [
      ("server", .object(object(ProjectKeys.server))),
      ("stream", .object(object(ProjectKeys.stream, required: ["columns"]))),
      (
        "type",
        [
          "type": "string",
          "pattern": .string("^(" + TypeText.patterns.joined(separator: "|") + ")( not null)?$"),
        ]
      ),
      (
        "column",
        [
          "oneOf": [
            ["$ref": "#/definitions/type"],
            .object(object(ProjectKeys.column, required: ["type"])),
          ]
        ]
      ),
      (
        "profile",
        .object(object(ProjectKeys.profile, required: ["source", "entity", "features"]))
      ),
      (
        "feature",
        [
          "oneOf": [
            ["const": "count"], .object(object(ProjectKeys.feature, required: ["function"])),
          ]
        ]
      ),
      (
        "feature_entry",
        .object(object(ProjectKeys.featureEntry, required: ["table", "key"]))
      ),
      ("candidates", .object(object(ProjectKeys.candidates, required: ["kind"]))),
      ("surface", .object(object(ProjectKeys.surface, required: ["features", "sources"]))),
      ("surface_source", .object(object(ProjectKeys.surfaceSource))),
      ("surface_filter", .object(object(ProjectKeys.surfaceFilter))),
      ("surface_score", .object(object(ProjectKeys.surfaceScore))),
      ("surface_rerank", .object(object(ProjectKeys.surfaceRerank))),
      (
        "surface_cap",
        .object(object(ProjectKeys.surfaceCap, required: ["feature", "count"]))
      ),
      ("surface_budget", .object(object(ProjectKeys.surfaceBudget))),
      ("model", .object(object(ProjectKeys.model, required: ["examples"]))),
      ("retriever", .object(object(ProjectKeys.retriever))),
      ("ranker", .object(object(ProjectKeys.ranker))),
      (
        "examples",
        .object(object(ProjectKeys.examples, required: ["features", "feedback", "labels"]))
      ),
      (
        "example_label",
        .object(object(ProjectKeys.exampleLabel, required: ["where", "window"]))
      ),
      ("example_negatives", .object(object(ProjectKeys.exampleNegatives, required: ["rate"]))),
      ("example_history", .object(object(ProjectKeys.exampleHistory))),
      ("flush", .object(object(ProjectKeys.flush))),
      ("log", .object(object(ProjectKeys.log))),
      ("maintenance", .object(object(ProjectKeys.maintenance))),
      ("maintenance_budget", .object(object(ProjectKeys.maintenanceBudget))),
      ("stream_maintenance", .object(object(ProjectKeys.streamMaintenance))),
      ("compaction", .object(object(ProjectKeys.compaction))),
      ("stream_compaction", .object(object(ProjectKeys.streamCompaction))),
      ("tier", .object(object(ProjectKeys.tier, required: ["to", "after"]))),
      (
        "row_retention",
        .object(object(ProjectKeys.rowRetention, required: ["column", "keep"]))
      ),
      ("kafka", .object(object(ProjectKeys.kafka, required: ["brokers", "topic"]))),
      (
        "merge",
        [
          "oneOf": [
            ["enum": ["last_write", "first_row"]],
            .object(object(ProjectKeys.merge, required: ["engine"])),
          ]
        ]
      ),
      ("group", .object(object(ProjectKeys.group, required: ["sequence", "columns"]))),
    ]
    schema["definitions"] = .object(definitions)
    return .object(schema)
  }

  /// The schema as its file holds it.
  public static var jsonSchemaText: String { jsonSchema.prettyText + "\n" }

  private static func object(_ keys: [ProjectKey], required: [String] = []) -> JSONObject {
    var properties = JSONObject()
    for key in keys {
      var schema = key.schema
      if schema["$ref"] != nil {
        // Draft 7 ignores what stands beside a reference.
        schema = ["allOf": [.object(schema)]]
      }
      schema["description"] = .string(key.doc)
      properties[key.name] = .object(schema)
    }
    var result: JSONObject = [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
    ]
    if !required.isEmpty { result["required"] = .array(required.map { .string($0) }) }
    return result
  }
}

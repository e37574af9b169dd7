// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable

/// One key of a mapping in the project file: what readers accept and editors are told.
struct ProjectKey {
  var name: String
  var doc: String
  /// Its value as JSON Schema, without the description.
  var schema: JSONObject

  init(_ name: String, _ doc: String, _ schema: JSONObject) {
    self.name = name
    self.doc = doc
    self.schema = schema
  }
}

/// All mappings of the project file.
enum ProjectKeys {
  static let text: JSONObject = ["type": "string"]
  static let names: JSONObject = [
    "oneOf": [
      ["type": "string"],
      ["type": "array", "items": ["type": "string"], "uniqueItems": true],
    ]
  ]
  static let size: JSONObject = ["type": "string", "pattern": .string(Quantity.sizePattern)]
  static let duration: JSONObject = [
    "type": "string", "pattern": .string(Quantity.durationPattern),
  ]

  static func reference(_ name: String) -> JSONObject {
    ["$ref": .string("#/definitions/\(name)")]
  }

  static let root = [
    ProjectKey("weir", "The version of this file's form: 1.", ["const": 1]),
    ProjectKey(
      "data",
      "The folder for logs, indexes and, unless said otherwise, the catalog and the tables. "
        + "Relative to this file. The default is weir-data.", text),
    ProjectKey(
      "catalog",
      "Where names and pointers of tables are kept: sqlite:FILE or postgresql://…. The default is "
        + "catalog.db in the data folder.", text),
    ProjectKey(
      "warehouse",
      "Where the tables' files go, such as s3://bucket/warehouse. The default is the data folder.",
      text),
    ProjectKey("server", "Where the services listen.", reference("server")),
    ProjectKey(
      "maintenance", "What tables keep, and for how long, where streams say nothing else.",
      reference("maintenance")),
    ProjectKey(
      "streams", "The streams, by the names of their tables: namespace.table.",
      [
        "type": "object", "additionalProperties": .object(reference("stream")),
        "propertyNames": ["pattern": "^[^.]+(\\.[^.]+)+$"],
      ]),
    ProjectKey(
      "profiles",
      "Tables of features of entities, made of the events of streams, by their names: "
        + "namespace.table.",
      [
        "type": "object", "additionalProperties": .object(reference("profile")),
        "propertyNames": ["pattern": "^[^.]+(\\.[^.]+)+$"],
      ]),
    ProjectKey(
      "feature_views",
      "The features that models and surfaces see, by the names of the views: namespace.name. Each is "
        + "a mapping of entries: columns of the user's tables, and of each item's.",
      [
        "type": "object",
        "additionalProperties": [
          "type": "object", "minProperties": 2,
          "additionalProperties": .object(reference("feature_entry")),
        ],
        "propertyNames": ["pattern": "^[^.]+(\\.[^.]+)+$"],
      ]),
    ProjectKey(
      "candidates",
      "Tables of ranked lists of items, kept up with profiles or keyed streams, by their names: "
        + "namespace.table.",
      [
        "type": "object", "additionalProperties": .object(reference("candidates")),
        "propertyNames": ["pattern": "^[^.]+(\\.[^.]+)+$"],
      ]),
    ProjectKey(
      "surfaces", "Places where people see lists of items, by their names.",
      ["type": "object", "additionalProperties": .object(reference("surface"))]),
    models,
    onnxRuntime,
    ProjectKey(
      "examples",
      "Tables of training examples, by their names: namespace.table: what was served to users, and "
        + "what came of it.",
      [
        "type": "object", "additionalProperties": .object(reference("examples")),
        "propertyNames": ["pattern": "^[^.]+(\\.[^.]+)+$"],
      ]),
  ]

  static let featureEntry = [
    ProjectKey("table", "A profile, or a stream with a primary key.", text),
    ProjectKey("key", "The table's one key column.", text),
    ProjectKey(
      "columns",
      "Its features, in order; the default is all. A profile's list of last events stands for each of "
        + "its columns, or names one: recent.item_id.", names),
    ProjectKey(
      "side",
      "Whom the entry is about. The default is its name, or the side of another entry of the same key.",
      ["enum": ["user", "item"]]),
  ]

  static let format = ProjectKey(
    "format", "The format of the table's files from now on. The default is parquet.",
    ["enum": .array(DataFormat.allCases.map { .string($0.rawValue) })])

  static let profile = [
    ProjectKey("source", "The stream whose events count: one without primary key.", text),
    ProjectKey(
      "entity", "The columns of the source that name the entity; the table's primary key.", names),
    ProjectKey("where", "Which events count at all: a condition on the source's columns.", text),
    ProjectKey(
      "shards", "Shards of the table. The default is 1.",
      ["type": "integer", "minimum": 1, "maximum": .int(StreamDefinition.shardCountMax)]),
    ProjectKey(
      "features", "The features, by their names.",
      [
        "type": "object", "minProperties": 1, "additionalProperties": .object(reference("feature")),
      ]),
    format,
    ProjectKey("doc", "What the profile is for.", text),
  ]

  static let functions = [
    "count", "sum", "mean", "ratio", "decayed_count", "last", "top_k", "first_time", "last_time",
  ]

  static let number: JSONObject = ["type": "number"]

  static let feature = [
    ProjectKey(
      "function", "What is made of the events.", ["enum": .array(functions.map { .string($0) })]),
    ProjectKey("where", "Which events count for this feature.", text),
    ProjectKey("window", "The time before now that counts. The default is all.", duration),
    ProjectKey("tile", "The step in which the window slides.", duration),
    ProjectKey("column", "For sum and mean: the numeric column.", text),
    ProjectKey("of", "For ratio: the events above the line.", text),
    ProjectKey("to", "For ratio: the events below the line.", text),
    ProjectKey("prior", "For ratio: what it is without events. The default is 0.", number),
    ProjectKey("weight", "For ratio: how many events the prior weighs. The default is 0.", number),
    ProjectKey("half_life", "For decayed_count: when an event counts half.", duration),
    ProjectKey("columns", "For last and top_k: the columns of each event that are kept.", names),
    ProjectKey(
      "by", "For top_k: the numeric column; the events with its greatest values are kept.", text),
    ProjectKey(
      "distinct",
      "For last and top_k: of events with equal values in these of the columns only the first is kept.",
      names),
    ProjectKey(
      "count", "For last and top_k: how many events are kept.",
      ["type": "integer", "minimum": 1, "maximum": .int(ProfileFeature.lastCountMax)]),
    ProjectKey("doc", "What the feature is for.", text),
  ]

  static let surface = [
    ProjectKey("features", "The feature view that names the keys of users and items.", text),
    ProjectKey("events", "The stream that takes what people do with what they saw.", text),
    ProjectKey(
      "sources", "Where candidates come from, by names.",
      [
        "type": "object", "minProperties": 1,
        "additionalProperties": .object(reference("surface_source")),
      ]),
    ProjectKey("filter", "What is not served.", reference("surface_filter")),
    ProjectKey("score", "How items are ordered.", reference("surface_score")),
    ProjectKey("rerank", "How a list is made of ordered items.", reference("surface_rerank")),
    ProjectKey(
      "budget", "For how long stages may begin new work.", reference("surface_budget")),
    ProjectKey("log", "The table that holds what was served.", text),
    ProjectKey("doc", "What the surface is for.", text),
  ]

  static let surfaceSource = [
    ProjectKey("from", "A keyed table of ranked lists, such as one of candidates.", text),
    ProjectKey("model", "A model, whose retriever finds the items nearest to the user.", text),
    ProjectKey(
      "seeds", "A list of items among the user's features: their lists are brought together.", text),
    ProjectKey(
      "decay", "What the list of each seed counts of that of the seed before. The default is 0.8.",
      share),
    ProjectKey("seed_count", "How many seeds count. The default is 20.", positive),
    ProjectKey(
      "segment",
      "A feature of the user that is the key of the list. The default is the list of all.",
      text),
    ProjectKey("count", "How many items it gives at most. The default is 100.", positive),
    ProjectKey(
      "weight", "What a place in its list counts where there is no model. The default is 1.",
      ["type": "number", "minimum": 0]),
  ]

  static let surfaceFilter = [
    ProjectKey("seen", "Lists among the user's features, whose items are not served.", names),
    ProjectKey("where", "A condition on the features of user and item.", text),
  ]

  static let surfaceScore = [
    ProjectKey("model", "The model. Without it places in the sources' lists decide.", text),
    ProjectKey(
      "value", "What each of the model's predictions is worth. The default is the first alone.",
      ["type": "object", "additionalProperties": ["type": "number"]]),
    ProjectKey("count", "How many items are ranked at most. The default is 200.", positive),
  ]

  static let surfaceRerank = [
    ProjectKey("count", "How many items are served. The default is 20.", positive),
    ProjectKey(
      "max_per", "How many items of one value of a feature are served at most.",
      [
        "oneOf": [
          .object(reference("surface_cap")),
          ["type": "array", "items": .object(reference("surface_cap"))],
        ]
      ]),
    ProjectKey(
      "explore", "The share of places that go to an item drawn from all. The default is 0.", share),
  ]

  static let surfaceCap = [
    ProjectKey("feature", "A feature of items.", text),
    ProjectKey("count", "The most items with one value of it.", positive),
  ]

  static let surfaceBudget = [
    ProjectKey(
      "fresh",
      "For how long a list waits until it knows what its user did last. The default is 100ms.",
      duration),
    ProjectKey("retrieve", "The sources' time. The default is 10ms.", duration),
    ProjectKey("hydrate", "The time of looking up features. The default is 10ms.", duration),
    ProjectKey("score", "The model's time. The default is 20ms.", duration),
    ProjectKey(
      "log", "For how long an answer waits for its log to be durable. The default is 20ms.",
      duration),
  ]

  private static let share: JSONObject = ["type": "number", "minimum": 0, "maximum": 1]
  private static let positive: JSONObject = ["type": "integer", "minimum": 1]

  static let server = [
    ProjectKey("host", "The interface to listen on. The default is 127.0.0.1.", text),
    ProjectKey(
      "port", "The port; 0 takes a free one. The default is 8181.",
      ["type": "integer", "minimum": 0, "maximum": 65535]),
  ]

  static let stream = [
    ProjectKey(
      "columns",
      "The columns that producers send, in order, each with an Iceberg type: long, string, "
        + "timestamptz, decimal(9, 2), list<string>, struct<x: double, y: double>, "
        + "map<string, long>; behind it 'not null' when null is not allowed.",
      ["type": "object", "minProperties": 1, "additionalProperties": .object(reference("column"))]),
    ProjectKey(
      "event_time", "The column with the time at which something happened: a timestamp.", text),
    ProjectKey(
      "primary_key",
      "The columns whose values name a row. Without it rows are only appended.", names),
    ProjectKey(
      "merge", "How versions of one row become one. The default is last_write.",
      reference("merge")),
    ProjectKey(
      "shards", "How many logs take the rows side by side. The default is 1.",
      [
        "type": "integer", "minimum": 1, "maximum": .int(StreamDefinition.shardCountMax),
      ]),
    ProjectKey(
      "shard_key",
      "Rows of equal values here are in one shard. The default is the primary key.", names),
    ProjectKey(
      "partition",
      "How the table's files are divided: a column, year(c), month(c), day(c), hour(c), "
        + "bucket(N, c) or truncate(N, c).", names),
    ProjectKey(
      "tombstones",
      "How long a delete is remembered, so that an older version which comes late does not bring the "
        + "row back. The default is 7d.", duration),
    ProjectKey("flush", "When rows go from memory into the table.", reference("flush")),
    ProjectKey("log", "What the log keeps.", reference("log")),
    ProjectKey(
      "maintenance", "What the table keeps, and for how long.",
      reference("stream_maintenance")),
    format,
    ProjectKey(
      "properties", "Properties of the Iceberg table.",
      [
        "type": "object",
        "additionalProperties": ["type": ["string", "number", "boolean"]],
      ]),
    ProjectKey("doc", "What the stream is for.", text),
  ]

  static let column = [
    ProjectKey("type", "The Iceberg type.", reference("type")),
    ProjectKey("required", "Whether null is refused.", ["type": "boolean"]),
    ProjectKey(
      "default", "The value of records that lack the column.",
      ["type": ["string", "number", "boolean"]]),
    ProjectKey("doc", "What the column holds.", text),
  ]

  static let flush = [
    ProjectKey("interval", "The longest that a row waits. The default is 60s.", duration),
    ProjectKey(
      "bytes", "The most bytes of a shard's rows that wait in memory. The default is 64MiB.", size),
  ]

  static let log = [
    ProjectKey(
      "retention", "How long the log keeps rows that the table has. The default is 1h.", duration),
    ProjectKey(
      "bytes",
      "The most bytes of the log of one shard; more rows are turned away until the table has "
        + "caught up. The default is 8GiB.", size),
    ProjectKey(
      "kafka", "The log is a topic of Apache Kafka, with one partition for each shard.",
      reference("kafka")),
  ]

  static let kafka = [
    ProjectKey("brokers", "Addresses of some brokers: host:9092.", names),
    ProjectKey("topic", "The topic; it must be there, with as many partitions as shards.", text),
    ProjectKey(
      "unknown_fields",
      "What becomes of JSON records with fields that are no columns: 'error', they are dead letters; "
        + "'ignore', the fields are passed over. The default is error.",
      ["enum": ["error", "ignore"]]),
    ProjectKey(
      "timestamp_unit",
      "What numbers in timestamp columns of JSON records count. Without it they are refused.",
      ["enum": ["s", "ms", "us", "ns"]]),
    ProjectKey(
      "options",
      "Settings of librdkafka, such as security.protocol. A value ${NAME} is taken from the "
        + "environment.",
      [
        "type": "object",
        "additionalProperties": ["type": ["string", "number", "boolean"]],
      ]),
  ]

  static let engines = ["last_write", "partial_update", "aggregation", "first_row"]

  static let merge = [
    ProjectKey(
      "engine", "Which of the merge engines.",
      ["enum": .array(engines.map { .string($0) })]),
    ProjectKey(
      "sequence",
      "For last_write and first_row: columns by which versions are ordered, instead of by the log.",
      names),
    ProjectKey(
      "groups",
      "For partial_update: columns that change together, each group ordered by columns of its own.",
      ["type": "array", "minItems": 1, "items": .object(reference("group"))]),
    ProjectKey(
      "columns",
      "For aggregation: the function of each aggregated column: sum, count, min, max, last_k(10), "
        + "top_k(10, score), distinct_count(12), decayed_sum(7d).",
      ["type": "object", "minProperties": 1, "additionalProperties": ["type": "string"]]),
  ]

  static let group = [
    ProjectKey("sequence", "The columns that order the group's versions.", names),
    ProjectKey("columns", "The columns of the group.", names),
  ]
}

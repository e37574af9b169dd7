// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming

// Tables of training examples.
extension ProjectKeys {
  static let examples = [
    ProjectKey("features", "The feature view whose features examples have.", text),
    ProjectKey("requests", "The log of what surfaces served.", text),
    ProjectKey("feedback", "The stream of events: one without primary key.", text),
    ProjectKey("request", "The column of the feedback that names the request.", text),
    ProjectKey(
      "labels", "What may come of an item that was shown, by name.",
      [
        "type": "object", "minProperties": 1,
        "additionalProperties": .object(reference("example_label")),
      ]),
    ProjectKey(
      "negatives", "Which examples without a label are kept.", reference("example_negatives")),
    ProjectKey(
      "history", "Examples of events from before there was a request log.",
      reference("example_history")),
    ProjectKey(
      "shards", "Shards of the table. The default is 1.",
      ["type": "integer", "minimum": 1, "maximum": .int(StreamDefinition.shardCountMax)]),
    format,
    ProjectKey("doc", "What the examples are for.", text),
  ]

  static let exampleLabel = [
    ProjectKey("where", "The events of the feedback that count.", text),
    ProjectKey("window", "How long after the item was shown.", duration),
  ]

  static let exampleNegatives = [
    ProjectKey(
      "rate",
      "The share that is kept, by a hash of request and item; it stands in each row. The default is 1.",
      ["type": "number", "minimum": 0, "maximum": 1])
  ]

  static let exampleHistory = [
    ProjectKey(
      "where", "The events that say that their item was shown. The default is all.", text),
    ProjectKey(
      "negatives", "Items that are drawn beside each, among those known by then. The default is 0.",
      ["type": "integer", "minimum": 0, "maximum": .int(ExampleDefinition.negativesMax)]),
    ProjectKey(
      "seed", "What the draws follow from. The default is 0.", ["type": "integer", "minimum": 0]),
  ]
}

// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirRanker

/// The keys of models.
extension ProjectKeys {
  static let models = ProjectKey(
    "models",
    "Models that retrieve and rank items, by the names of their registries: namespace.name.",
    [
      "type": "object", "additionalProperties": ["$ref": "#/definitions/model"],
      "propertyNames": ["pattern": "^[^.]+(\\.[^.]+)+$"],
    ])

  static let onnxRuntime = ProjectKey(
    "onnxruntime",
    "Where ONNX Runtime is: the file libonnxruntime.so, or a folder that has it. The default is the "
      + "wheel in a Python environment beside the project, or the system's.", ["type": "string"])

  static let model = [
    ProjectKey("examples", "The table of examples that it learns from.", text),
    ProjectKey(
      "retriever", "What finds items for a user.", ["$ref": "#/definitions/retriever"]),
    ProjectKey(
      "ranker", "What says how probable it is that a user does something with an item.",
      ["$ref": "#/definitions/ranker"]),
    ProjectKey(
      "embedding", "Elements of the embedding of a user or an item. The default is 16.", dimension),
    ProjectKey(
      "history", "The list feature of the user's side whose items are the user's history.", text),
    ProjectKey(
      "history_length",
      "How many items of the history count, the first ones; a multiple of 16 is fast. The default is 48.",
      ["type": "integer", "minimum": 2, "maximum": .int(ModelMetadata.historyLengthMax)]),
    ProjectKey("doc", "What the model is for.", text),
  ]

  static let retriever = [
    ProjectKey(
      "label",
      "The label that it learns to foresee, or several, of which any counts. The default is the "
        + "ranker's first.", names),
    ProjectKey(
      "dimension", "Elements of the vectors of users and items. The default is 32.", dimension),
  ]

  static let ranker = [
    ProjectKey(
      "labels", "The labels that it gives a probability of, in order. The default is all.", names)
  ]

  private static let dimension: JSONObject = [
    "type": "integer", "minimum": 2, "maximum": .int(ModelMetadata.dimensionMax),
  ]
}

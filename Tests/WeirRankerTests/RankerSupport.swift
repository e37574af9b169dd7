// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable
internal import WeirVector
internal import _WeirTestSupport

@testable internal import WeirRanker
@testable internal import WeirStreaming

enum Runtime {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let shared = OnnxRuntime(folders: [repository])

  /// Whether this machine has ONNX Runtime.
  static let isThere: Bool = (try? shared.load()) != nil
  static let missing = "ONNX Runtime is not on this machine: pip install onnxruntime in .venv"
}

/// The graphs and the words of onnxruntime and numpy about them; Models/make_models.py made them.
struct SampleModel {
  struct Case {
    var user: VectorKey?
    var userDense: [Float]
    var history: [VectorKey?]
    var items: [VectorKey]
    var itemDense: [Float]
    var userVector: [Float]
    var scores: [Float]
    var nearest: [VectorKey]
    var products: [Float]
  }

  var metadata: JSONValue
  var embeddings: [EmbeddingRow] = []
  var cases: [Case] = []

  static func graph(_ name: String) throws -> [UInt8] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    return [UInt8](try Data(contentsOf: folder.appendingPathComponent("Models/\(name).onnx")))
  }

  init() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let data = try Data(contentsOf: folder.appendingPathComponent("Models/expected.json"))
    let json = try JSONValue(parsing: [UInt8](data)).asObject()
    metadata = .object(try json.object("metadata"))
    for role in EmbeddingRole.allCases {
      for (key, vector) in try json.object("embeddings").object(role.rawValue) {
        embeddings.append(
          EmbeddingRow(
            role: role, key: VectorKey(key), version: 1, vector: try Self.floats(vector)))
      }
    }
    for value in try json.array("cases") {
      let object = try value.asObject()
      func floats(_ name: String) throws -> [Float] { try Self.floats(.array(object.array(name))) }
      func keys(_ name: String) throws -> [VectorKey?] {
        try object.array(name).map { $0.isNull ? nil : VectorKey(try $0.asString()) }
      }
      cases.append(
        Case(
          user: VectorKey(try object.string("user")), userDense: try floats("user_dense"),
          history: try keys("history"), items: try keys("items").compactMap { $0 },
          itemDense: try floats("item_dense"), userVector: try floats("user_vector"),
          scores: try floats("scores"), nearest: try keys("nearest").compactMap { $0 },
          products: try floats("products")))
    }
  }

  private static func floats(_ value: JSONValue) throws -> [Float] {
    try value.asArray().map { $0.isNull ? .nan : Float(try $0.asDouble()) }
  }

  func bundle(
    ranker: String? = "ranker", retriever: String? = "retriever",
    metadata change: (inout ModelMetadata) -> Void = { _ in }
  ) throws -> ModelBundle {
    var metadata = try ModelMetadata(parsing: metadata.text)
    change(&metadata)
    var vectors = ModelEmbeddings(metadata)
    for row in embeddings { try vectors.apply(row) }
    try vectors.check()
    let graphs = try ModelGraphs(
      retriever: retriever.map(Self.graph), ranker: ranker.map(Self.graph), runtime: Runtime.shared)
    let row = RegistryRow(version: 1, graphVersion: 1, metadata: metadata)
    return try ModelProbe.check(ModelBundle(row, graphs: graphs, embeddings: vectors))
  }
}

func isClose(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count
    && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) }
}

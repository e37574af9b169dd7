// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirVector

/// A vector that a version of a model has for a user or an item.
struct EmbeddingRow: Sendable {
  var role: EmbeddingRole
  var key: VectorKey
  var version: Int64
  var vector: [Float]
}

/// The vectors of a version: for each role and key that of the greatest version up to its own. A value
/// whose copies share what did not change.
struct ModelEmbeddings: Sendable {
  /// Elements of `user` and `item`, and of `itemVectors`.
  let embedding: Int
  let vector: Int
  /// Lower versions do not count.
  private(set) var from: Int64
  private(set) var user: VectorTable?
  private(set) var item: VectorTable?
  private(set) var itemVectors: VectorTable?
  /// Of `itemVectors`.
  private(set) var index: (any VectorIndex)?
  /// Rows that do not fit and that no later version has mended.
  private var bad: [Place: (version: Int64, error: RankerError)] = [:]
  private static let badMax = 10_000

  private struct Place: Hashable {
    var role: EmbeddingRole
    var key: VectorKey
  }

  init(_ metadata: ModelMetadata) {
    embedding = metadata.embedding
    vector = metadata.vector
    from = metadata.embeddingsFrom
    if embedding > 0 {
      user = VectorTable(dimension: embedding)
      item = VectorTable(dimension: embedding)
    }
    if vector > 0 {
      itemVectors = VectorTable(dimension: vector)
      index = ExactIndex(dimension: vector)
    }
  }

  var count: Int { (user?.count ?? 0) + (item?.count ?? 0) + (itemVectors?.count ?? 0) }

  /// The vectors with which a version of these metadata begins; `nil` when it must begin anew.
  func going(on metadata: ModelMetadata) throws(RankerError) -> ModelEmbeddings? {
    guard metadata.embedding == embedding, metadata.vector == vector,
      metadata.embeddingsFrom >= from
    else { return nil }
    if metadata.embeddingsFrom == from { return self }
    // Bad rows are found again by a scan.
    guard bad.isEmpty else { return nil }
    var result = ModelEmbeddings(metadata)
    for (role, table) in [(EmbeddingRole.user, user), (.item, item), (.itemVector, itemVectors)] {
      try table?.visit { key, vector, stamp throws(RankerError) in
        try result.apply(EmbeddingRow(role: role, key: key, version: stamp, vector: vector))
      }
    }
    return result
  }

  /// Puts a row in, unless there is a greater version of it. A vector of another length, or with no number
  /// in it, is told by `check`.
  mutating func apply(_ row: EmbeddingRow) throws(RankerError) {
    guard row.version >= from else { return }
    let place = Place(role: row.role, key: row.key)
    do throws(VectorError) {
      switch row.role {
      case .user: try user?.upsert(row.key, row.vector, stamp: row.version)
      case .item: try item?.upsert(row.key, row.vector, stamp: row.version)
      case .itemVector:
        if try itemVectors?.upsert(row.key, row.vector, stamp: row.version) == true {
          try index?.upsert(row.key, row.vector)
        }
      }
      if !bad.isEmpty, let old = bad[place], old.version <= row.version { bad[place] = nil }
    } catch {
      let error = RankerError(
        .invalidEmbedding, "role '\(row.role.rawValue)', version \(row.version): \(error)")
      guard bad.count < Self.badMax else { throw error }
      if let old = bad[place], old.version > row.version { return }
      if let stamp = stamp(place), stamp > row.version { return }
      bad[place] = (row.version, error)
    }
  }

  private func stamp(_ place: Place) -> Int64? {
    switch place.role {
    case .user: user?.stamp(of: place.key)
    case .item: item?.stamp(of: place.key)
    case .itemVector: itemVectors?.stamp(of: place.key)
    }
  }

  /// - Throws: `invalidEmbedding` when a row does not fit and no greater version of it came.
  func check() throws(RankerError) {
    let first = bad.min { ($0.value.version, $0.key.key) < ($1.value.version, $1.key.key) }
    if let first { throw first.value.error }
  }
}

extension EmbeddingRow {
  /// The rows of a batch of the stream of embeddings, without deletes and without roles that this version
  /// of Weir does not know.
  static func rows(of batch: RecordBatch) throws(RankerError) -> [EmbeddingRow] {
    guard let roles = batch["role"], let ids = batch["id"], let versions = batch["version"],
      let vectors = batch["vector"], case .list(let element) = vectors.type,
      element.type == .float32
    else {
      throw RankerError(
        .invalidEmbedding,
        "the stream of embeddings has not the columns role, id, version and vector: list<float>")
    }
    let operations = batch[StreamColumns.operation]
    let values = vectors.children[0]
    var result: [EmbeddingRow] = []
    result.reserveCapacity(batch.rowCount)
    for row in 0..<batch.rowCount {
      if case .int(1)? = operations?.scalar(at: row) { continue }
      guard case .string(let name) = roles.scalar(at: row),
        let role = EmbeddingRole(rawValue: name),
        case .string(let id) = ids.scalar(at: row),
        case .int(let version) = versions.scalar(at: row)
      else { continue }
      // A null vector is one of no elements, which is refused where it counts.
      var vector: [Float] = []
      if vectors.isValid(row) {
        let range = vectors.itemRange(row)
        vector = Array(values.values(as: Float.self)[range])
        if values.nullCount > 0 {
          for (index, item) in range.enumerated() where values.isNull(item) {
            vector[index] = .nan
          }
        }
      }
      result.append(
        EmbeddingRow(role: role, key: VectorKey(id), version: version, vector: vector))
    }
    return result
  }
}

// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming
public import WeirTable

/// The log of what surfaces served: one row for each answer, with the features as they were served.
///
/// | column | type | what it is |
/// |---|---|---|
/// | `request_id` | string | the key |
/// | `surface` | string | |
/// | the user's key | as in the view | |
/// | `at` | timestamptz | when it was asked: features are as of then |
/// | `model_version` | long | null: rules |
/// | features of the user | as in the view | |
/// | `items` | list of the item's key | as served, the first first |
/// | `scores`, `propensities` | list of double | of each item |
/// | `sources` | list of string | where each item came from |
/// | features of the item | list of the view's type | one value for each item |
/// | `user_offsets` | list of long | which events are in the user's features (`FeatureSource.offsetCount`) |
/// | `item_offsets` | list of list of long | the same for each item |
/// | `candidates` | list of struct(item, source, score, retrieved, groups) | all that were ranked: by what score, by which score they were retrieved, and their values of the features that the rerank caps |
/// | `fallbacks` | list of string | what did not go as declared |
public enum RequestLog {
  public static let requestID = "request_id"
  public static let surface = "surface"
  public static let at = "at"
  public static let modelVersion = "model_version"
  public static let items = "items"
  public static let scores = "scores"
  public static let propensities = "propensities"
  public static let sources = "sources"
  public static let userOffsets = "user_offsets"
  public static let itemOffsets = "item_offsets"
  public static let candidates = "candidates"
  public static let fallbacks = "fallbacks"

  /// All columns but keys and features.
  static let ownColumns = [
    requestID, surface, at, modelVersion, items, scores, propensities, sources, userOffsets,
    itemOffsets, candidates, fallbacks,
  ]

  /// The stream that holds the log, keyed by the request.
  ///
  /// Types of nested columns carry the table's field ids: rows are built in the stream's `inputSchema`.
  ///
  /// - Throws: `unsupported` for features that a table cannot hold.
  public static func stream(
    _ table: TableIdentifier, view: FeatureView
  ) throws(StreamError) -> StreamDefinition {
    func list(_ type: DataType, nullable: Bool = false) -> DataType {
      .list(Field("element", type, nullable: nullable))
    }
    var fields = [
      Field(requestID, .utf8, nullable: false), Field(surface, .utf8, nullable: false),
      view.user.key, Field(at, .timestamp(.microsecond, timeZone: "UTC"), nullable: false),
      Field(modelVersion, .int64),
    ]
    fields += view.user.columns
    fields += [
      Field(items, list(view.item.key.type), nullable: false), Field(scores, list(.float64)),
      Field(propensities, list(.float64)), Field(sources, list(.utf8)),
    ]
    fields += view.item.columns.map { Field($0.name, list($0.type, nullable: true)) }
    fields += [
      Field(userOffsets, list(.int64)), Field(itemOffsets, list(list(.int64))),
      Field(
        candidates,
        list(
          .struct([
            Field("item", view.item.key.type, nullable: false), Field("source", .utf8),
            Field("score", .float64), Field("retrieved", .float64),
            Field("groups", list(.utf8, nullable: true)),
          ]))),
      Field(fallbacks, list(.utf8)),
    ]
    do throws(TableError) {
      var result = StreamDefinition(
        table: table, columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
      result.primaryKey = [requestID]
      result.eventTime = at
      return result
    } catch { throw StreamError(error).adding(stream: "\(table)") }
  }
}

// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirPipelines
public import WeirStreaming
public import WeirTable

/// A surface against the view and the tables that it names.
public struct SurfaceShape: Sendable {
  public let definition: SurfaceDefinition
  public let view: FeatureView
  /// The features of user and item.
  let filter: BoundPredicate?
  let filterSchema: Schema

  /// What of a definition an error is about, for readers of files.
  public enum Part: Hashable, Sendable {
    case features
    case events
    case source(String)
    case seen
    case filter
    case score
    case rerank
    case log
  }

  /// A surface that does not fit.
  public struct Misfit: Error, Sendable {
    public var part: Part
    public var error: StreamError
  }

  /// - Parameters:
  ///   - views: all feature views of the project.
  ///   - streams: all streams, also those that are made for profiles and candidates.
  ///   - models: all models of the project.
  /// - Throws: the first part of the definition that does not fit.
  public init(
    _ definition: SurfaceDefinition, views: [FeatureView], streams: [StreamDefinition],
    models: [TableIdentifier] = []
  ) throws(Misfit) {
    self.definition = definition
    guard let view = views.first(where: { $0.definition.name == definition.features }) else {
      throw Misfit(
        part: .features,
        error: Self.unknown(
          "feature view", "\(definition.features)", views.map { "\($0.definition.name)" }))
    }
    self.view = view
    for side in [view.user, view.item] where !EntityID.fits(side.key.type) {
      throw Self.misfit(
        .features,
        "the key '\(side.key.name)' is a \(side.key.type); surfaces take long, int, string")
    }
    if let events = definition.events, !streams.contains(where: { $0.table == events }) {
      throw Misfit(
        part: .events,
        error: Self.unknown("stream", "\(events)", streams.map { "\($0.table)" }))
    }
    for source in definition.sources {
      try Self.check(source, view, streams)
      guard case .model(let table) = source.kind, !models.contains(table) else { continue }
      throw Misfit(
        part: .source(source.name), error: Self.unknown("model", "\(table)", models.map { "\($0)" })
      )
    }
    if let table = definition.score.model, !models.contains(table) {
      throw Misfit(
        part: .score, error: Self.unknown("model", "\(table)", models.map { "\($0)" }))
    }
    for name in definition.seen { try Self.checkList(name, view, .seen) }
    for cap in definition.rerank.caps {
      guard let field = view.item.columns.first(where: { $0.name == cap.feature }) else {
        throw Misfit(
          part: .rerank,
          error: Self.unknown("feature of items", cap.feature, view.item.columns.map(\.name)))
      }
      guard field.type.children.isEmpty else {
        throw Self.misfit(.rerank, "'\(cap.feature)' holds lists; take a feature of single values")
      }
    }
    var fields = view.item.columns
    fields += view.user.columns.filter { $0.type.children.isEmpty }
    do throws(ColumnarError) {
      filter = try definition.filter?.bind(to: Schema(fields))
    } catch { throw Misfit(part: .filter, error: StreamError(error)) }
    let wanted = Set(filter?.columns.compactMap(\.names.first) ?? [])
    filterSchema = Schema(fields.filter { wanted.contains($0.name) })
    do throws(ColumnarError) {
      _ = try definition.filter?.bind(to: filterSchema)
    } catch { throw Misfit(part: .filter, error: StreamError(error)) }
  }

  private static func check(
    _ source: SurfaceSource, _ view: FeatureView, _ streams: [StreamDefinition]
  ) throws(Misfit) {
    guard let table = source.table else { return }
    let part = Part.source(source.name)
    guard let stream = streams.first(where: { $0.table == table }) else {
      throw Misfit(
        part: part,
        error: unknown("table of candidates", "\(table)", streams.map { "\($0.table)" }))
    }
    guard stream.primaryKey.count == 1, let key = stream.columns[stream.primaryKey[0]],
      let lists = stream.columns[CandidateList.column],
      let item = CandidateList.itemType(lists.type)
    else {
      throw misfit(
        part,
        "'\(table)' has no ranked lists: it needs one key column, and a column 'items' of type "
          + "list<struct<item: …, score: double, reason: string>>")
    }
    guard item == view.item.key.type else {
      throw misfit(
        part, "the items of '\(table)' are of type \(item), those of the view \(view.item.key.type)"
      )
    }
    if let seeds = source.seeds {
      try checkList(seeds, view, part)
      guard key.type == view.item.key.type else {
        throw misfit(part, "'\(table)' has no lists of items: its key is a \(key.type)")
      }
    } else {
      guard key.type == .utf8 else {
        throw misfit(
          part,
          "'\(table)' has a list for each \(key.name); say with 'seeds' whose lists are wanted")
      }
    }
    if let segment = source.segment {
      guard let field = view.user.columns.first(where: { $0.name == segment }) else {
        throw Misfit(
          part: part, error: unknown("feature of users", segment, view.user.columns.map(\.name)))
      }
      guard field.type == .utf8 else {
        throw misfit(part, "the segment '\(segment)' is a \(field.type), not a string")
      }
    }
  }

  /// A list of items among the user's features.
  private static func checkList(
    _ name: String, _ view: FeatureView, _ part: Part
  ) throws(Misfit) {
    guard let field = view.user.columns.first(where: { $0.name == name }) else {
      throw Misfit(
        part: part, error: unknown("feature of users", name, view.user.columns.map(\.name)))
    }
    guard case .list(let element) = field.type, element.type == view.item.key.type else {
      throw misfit(part, "'\(name)' is a \(field.type), not a list of items")
    }
  }

  private static func misfit(_ part: Part, _ message: String) -> Misfit {
    Misfit(part: part, error: StreamError(.invalidArgument, message))
  }

  private static func unknown(_ what: String, _ name: String, _ names: [String]) -> StreamError {
    let close = NameSuggestion.closest(to: name, names)
    return StreamError(
      .notFound,
      "there is no \(what) '\(name)'" + (close.map { "; did you mean '\($0)'?" } ?? ""))
  }

  /// The stream of what is served; `nil` where nothing is logged.
  public func logStream() throws(StreamError) -> StreamDefinition? {
    guard let log = definition.log else { return nil }
    return try RequestLog.stream(log, view: view)
  }
}

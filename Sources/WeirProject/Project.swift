// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirPipelines
public import WeirRanker
public import WeirServing
public import WeirStreaming
public import WeirTable

/// What a `weir.yaml` declares, checked.
public struct Project: Hashable, Sendable {
  /// The folder for logs, indexes and, unless said otherwise, the catalog and the tables. As written:
  /// relative to the file's folder.
  public var data = "weir-data"
  /// Where names and pointers of tables are kept; in `data` when `nil`.
  public var catalog: String?
  /// Where the tables' files go; in `data` when `nil`.
  public var warehouse: String?
  public var server = ProjectServer()
  /// Of tables that say nothing else, and of those that are made of streams.
  public var maintenance = MaintenancePolicy()
  /// Of one round of maintenance.
  public var maintenanceBudget = MaintenanceBudget()
  /// In the order of the file.
  public var streams: [StreamDefinition] = []
  /// In the order of the file.
  public var profiles: [ProfileDefinition] = []
  /// In the order of the file.
  public var featureViews: [FeatureViewDefinition] = []
  /// In the order of the file.
  public var surfaces: [SurfaceDefinition] = []
  /// In the order of the file.
  public var candidates: [CandidateDefinition] = []
  /// In the order of the file.
  public var models: [ModelDefinition] = []
  /// Where ONNX Runtime is: its file or folder, as written; looked for when `nil`.
  public var onnxRuntime: String?
  /// In the order of the file.
  public var examples: [ExampleDefinition] = []

  /// All that is kept up with the streams.
  public var pipelines: PipelineDefinitions {
    PipelineDefinitions(
      profiles: profiles, candidates: candidates, featureViews: featureViews, examples: examples)
  }

  public init() {}

  /// Reads a project file.
  ///
  /// - Parameter file: the name for messages.
  /// - Throws: `ProjectProblems` with everything that is wrong with it.
  public init(parsing text: String, file: String) throws(ProjectProblems) {
    self = try ProjectReader.read(text, file: file)
  }
}

extension Project {
  /// The feature views, against profiles and streams.
  public func views() throws(StreamError) -> [FeatureView] {
    try featureViews.map { definition throws(StreamError) in
      try FeatureView(definition, profiles: profiles, streams: streams)
    }
  }

  /// The streams that are declared, and those that are made for what is declared, but for the logs of
  /// surfaces.
  public func streamsOfPipelines() throws(StreamError) -> [StreamDefinition] {
    try pipelines.streams(sources: streams)
  }

  /// The logs of what surfaces serve and examples read.
  ///
  /// - Throws: `invalidArgument` when somebody takes one for that of another view.
  public func requestLogs(_ shapes: [SurfaceShape]) throws(StreamError) -> [StreamDefinition] {
    var result = try Serving.streams(shapes)
    for log in try pipelines.requestLogs(sources: streams) {
      guard let other = result.first(where: { $0.table == log.table }) else {
        guard !(streams + (try streamsOfPipelines())).contains(where: { $0.table == log.table })
        else {
          throw StreamError(
            .invalidArgument,
            "examples read '\(log.table)' as a log of requests, and it is another table")
        }
        result.append(log)
        continue
      }
      guard other == log else {
        throw StreamError(
          .invalidArgument,
          "examples and surfaces of '\(log.table)' have two feature views; name the same one")
      }
    }
    return result
  }

  /// The surfaces, against their views and tables.
  public func surfaceShapes() throws(StreamError) -> [SurfaceShape] {
    let (views, made) = (try views(), try streamsOfPipelines())
    return try surfaces.map { surface throws(StreamError) in
      do throws(SurfaceShape.Misfit) {
        return try SurfaceShape(
          surface, views: views, streams: streams + made, models: models.map(\.table))
      } catch {
        var misfit = error.error
        misfit.message = "the surface '\(surface.name)': \(misfit.message)"
        throw misfit
      }
    }
  }
}

/// Where the services listen.
public struct ProjectServer: Hashable, Sendable {
  public var host = "127.0.0.1"
  /// 0 takes a free one.
  public var port = 8181

  public init() {}
}

/// One thing that is wrong with a project file.
public struct ProjectProblem: Hashable, Sendable, CustomStringConvertible {
  public var file: String
  /// Both from 1; the column counts characters.
  public var line: Int
  public var column: Int
  /// What is wrong.
  public var message: String
  /// What to write instead.
  public var remedy: String?

  public init(file: String, line: Int, column: Int, message: String, remedy: String? = nil) {
    self.file = file
    self.line = line
    self.column = column
    self.message = message
    self.remedy = remedy
  }

  /// `file:line:column: message; remedy`.
  public var description: String {
    "\(file):\(line):\(column): \(message)" + (remedy.map { "; \($0)" } ?? "")
  }

  public var json: JSONValue {
    .object([
      ("file", .string(file)), ("line", .int(line)), ("column", .int(column)),
      ("message", .string(message)), ("remedy", .optional(remedy)),
    ])
  }
}

/// Everything that is wrong with a project file, in the order of its lines.
public struct ProjectProblems: Error, Sendable, CustomStringConvertible {
  public var problems: [ProjectProblem]

  public init(_ problems: [ProjectProblem]) { self.problems = problems }

  public var description: String { problems.map(\.description).joined(separator: "\n") }
}

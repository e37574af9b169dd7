// SPDX-License-Identifier: Apache-2.0

internal import WeirProject
internal import WeirRanker
internal import WeirServing
internal import WeirStreaming
internal import WeirTable

/// The surfaces of a project, and the models that serve in them, before streams are open.
struct ServingSetup {
  private let project: Project
  private let shapes: [SurfaceShape]
  /// The streams that surfaces log to, and those that examples read.
  let streams: [StreamDefinition]

  init(_ project: Project) throws {
    self.project = project
    shapes = try project.surfaceShapes()
    streams = try project.requestLogs(shapes)
  }

  /// Serves; `nil` without surfaces.
  ///
  /// - Parameter folder: the project's: where ONNX Runtime is looked for, too.
  func start(
    _ streams: any StreamService, folder: String,
    onEvent: @escaping @Sendable (StreamEvent) -> Void
  ) throws -> RunningServing? {
    guard !shapes.isEmpty else { return nil }
    let runtime = OnnxRuntime(path: project.onnxRuntime, folders: [folder, "."])
    var models: [TableIdentifier: ModelFollower] = [:]
    let wanted = Set(shapes.flatMap(\.definition.models))
    for definition in project.models where wanted.contains(definition.table) {
      models[definition.table] = try ModelFollower(
        definition, streams: streams, runtime: runtime, onEvent: onEvent)
    }
    let serving = try Serving(shapes, streams: streams, models: models, onEvent: onEvent)
    for model in models.values { model.start() }
    return RunningServing(serving: serving, models: Array(models.values))
  }
}

/// Surfaces that serve.
struct RunningServing {
  let serving: Serving
  let models: [ModelFollower]

  func close() {
    for model in models { model.close() }
    serving.close()
  }
}

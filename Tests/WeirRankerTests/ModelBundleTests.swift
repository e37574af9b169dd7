// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirVector
internal import _WeirTestSupport

@testable internal import WeirRanker

@Suite(.enabled(if: Runtime.isThere, .init(rawValue: Runtime.missing)))
struct ModelBundleTests {
  /// One row at a time in Python, chunks here.
  @Test(arguments: ["ranker", "ranker_of_one_user"])
  func givesWhatOnnxruntimeAndNumpyGive(ranker: String) throws {
    let model = try SampleModel()
    let bundle = try model.bundle(ranker: ranker)
    #expect(bundle.itemsPerRun == ModelBundle.itemsPerRun)
    #expect(bundle.itemCount == 40)
    for sample in model.cases {
      let vector = try bundle.userVector(
        userDense: sample.userDense, user: sample.user, history: sample.history)
      #expect(isClose(vector, sample.userVector))
      let scores = try bundle.scores(
        userDense: sample.userDense, user: sample.user, history: sample.history,
        items: sample.items, itemDense: sample.itemDense)
      #expect(isClose(scores, sample.scores))
      let hits = try bundle.search(sample.userVector, count: 10)
      #expect(hits.map(\.key) == sample.nearest)
      #expect(isClose(hits.map(\.score), sample.products))
    }
  }

  /// The same items in other company, in another order, some twice: the same bits.
  @Test(arguments: 1...10)
  func scoresDoNotDependOnTheBatch(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let model = try SampleModel()
    let bundle = try model.bundle(ranker: seed % 2 == 0 ? "ranker" : "ranker_of_one_user")
    let sample = model.cases[1]
    func scores(_ order: [Int]) throws -> [[UInt32]] {
      let scores = try bundle.scores(
        userDense: sample.userDense, user: sample.user, history: sample.history,
        items: order.map { sample.items[$0] },
        itemDense: order.flatMap { sample.itemDense[$0 * 2..<$0 * 2 + 2] })
      return order.indices.map { scores[$0 * 2..<$0 * 2 + 2].map(\.bitPattern) }
    }
    let all = try scores(Array(sample.items.indices))
    for _ in 0..<10 {
      let order = (0..<random.int(1...600)).map { _ in random.int(0...sample.items.count - 1) }
      #expect(try scores(order) == order.map { all[$0] })
    }
    for item in sample.items.indices { #expect(try scores([item]) == [all[item]]) }
  }

  /// A graph whose rows look at each other is run item by item.
  @Test func aGraphThatLooksAtTheBatchRunsItemByItem() throws {
    let model = try SampleModel()
    let bundle = try model.bundle(ranker: "ranker_of_batches")
    #expect(bundle.itemsPerRun == 1)
    let sample = model.cases[1]
    func scores(_ range: Range<Int>) throws -> [Float] {
      try bundle.scores(
        userDense: sample.userDense, user: sample.user, history: sample.history,
        items: Array(sample.items[range]),
        itemDense: Array(sample.itemDense[range.lowerBound * 2..<range.upperBound * 2]))
    }
    let all = try scores(0..<40)
    #expect(try (0..<40).flatMap { try scores($0..<$0 + 1) } == all)
  }

  @Test func refusesGraphsThatDoNotFit() throws {
    let model = try SampleModel()
    func refusal(_ make: () throws -> ModelBundle) -> String {
      do {
        _ = try make()
        return "it was taken"
      } catch { return "\(error)" }
    }
    #expect(
      refusal { try model.bundle(ranker: "ranker_of_three") }
        == "the ranker's output is 'scores' [?, 3]; by the metadata it is 'scores' [?, 2]")
    #expect(
      refusal { try model.bundle(ranker: "ranker_of_eight") }
        == "the ranker's input is 'user_dense' [8, 3]; by the metadata it is 'user_dense' [?, 3]")
    #expect(
      refusal { try model.bundle { $0.itemDense = ["one"] } }
        == "the ranker's input is 'item_dense' [?, 2]; by the metadata it is 'item_dense' [?, 1]")
    #expect(
      refusal { try model.bundle(retriever: "retriever_of_items") }.hasPrefix(
        "the retriever has an input 'item_embedding' [?, 4]; it may have user_dense"))
    #expect(
      refusal { try model.bundle(retriever: "ranker") }.hasPrefix("the retriever has an input"))
    #expect(
      refusal { try model.bundle(ranker: "retriever") }
        == "the ranker has no output 'scores' but 'user_vector'")
    #expect(
      refusal { try model.bundle(ranker: "ranker_of_logits") }.contains("which is no probability"))
    #expect(
      refusal { try model.bundle(ranker: "ranker_of_nulls") }
        == "version 1: a score is not finite (tried with features that are null and no history)")
    #expect(
      refusal { try model.bundle(ranker: nil, retriever: nil) }
        == "the version has neither a retriever's nor a ranker's graph")
    #expect(
      refusal { try model.bundle { $0.embedding = 3 } }
        == "role 'user', version 1: the vector of 0: it has 4 elements, not 3")
  }

  @Test func refusesBytesThatAreNoGraph() throws {
    var random = SeededRandom(seed: 9)
    let graph = try SampleModel.graph("ranker")
    let inputs = [[], [0], [UInt8]("no graph".utf8), Array(graph.prefix(graph.count / 2))]
    for bytes in inputs {
      let error = #expect(throws: RankerError.self) {
        _ = try OnnxSession(bytes, runtime: Runtime.shared)
      }
      #expect(error?.code == .invalidGraph)
    }
    for _ in 0..<200 {
      var bytes = graph
      for _ in 0..<random.int(1...8) {
        bytes[random.int(0...bytes.count - 1)] = UInt8(random.int(0...255))
      }
      // Whatever comes of it: an error, or a graph.
      _ = try? OnnxSession(bytes, runtime: Runtime.shared)
    }
  }

  @Test func aModelMayHaveOneGraph() throws {
    let model = try SampleModel()
    let sample = model.cases[0]
    let ranker = try model.bundle(retriever: nil)
    #expect(!ranker.hasRetriever && ranker.hasRanker)
    let error = #expect(throws: RankerError.self) {
      _ = try ranker.userVector(userDense: sample.userDense, user: nil, history: [])
    }
    #expect(error?.code == .notFound)
    let retriever = try model.bundle(ranker: nil)
    #expect(retriever.hasRetriever && !retriever.hasRanker)
  }

  @Test func valuesOfAnotherNumberAreErrors() throws {
    let bundle = try SampleModel().bundle()
    for (user, items, dense) in [(2, 1, 2), (3, 1, 1), (3, 2, 5)] {
      let error = #expect(throws: RankerError.self) {
        _ = try bundle.scores(
          userDense: [Float](repeating: 0, count: user), user: nil, history: [],
          items: [VectorKey](repeating: .integer(1), count: items),
          itemDense: [Float](repeating: 0, count: dense))
      }
      #expect(error?.code == .invalidArgument)
    }
    #expect(throws: RankerError.self) { try bundle.search([1], count: 1) }
  }
}

struct OnnxRuntimeTests {
  @Test func saysWhereItLooked() {
    if OnnxRuntime.version != nil { return }
    let named = OnnxRuntime(
      path: nil, folders: [], named: "/nowhere/lib.so", virtualEnvironment: nil)
    let error = #expect(throws: RankerError.self) { try named.load() }
    #expect(error?.code == .libraryMissing)
    #expect(error?.message.hasPrefix("WEIR_ONNXRUNTIME names '/nowhere/lib.so'") == true)
  }

  @Test func metadataThatDoNotFitAreErrors() {
    for (text, message) in [
      ("{", "the model's metadata:"), ("[]", "the model's metadata:"), ("{}", "format"),
      (#"{"format":2}"#, "of format 2"), (#"{"format":1,"embedding":-1}"#, "-1 is not between"),
      (#"{"format":1,"vector":99999999999999}"#, "is not between"),
      (#"{"format":1,"tasks":["a","a"]}"#, "one twice"),
      (#"{"format":1,"user_dense":[1]}"#, "user_dense"),
    ] {
      let error = #expect(throws: RankerError.self) { try ModelMetadata(parsing: text) }
      #expect(error?.code == .invalidMetadata)
      #expect(error?.message.contains(message) == true, "\(text): \(error?.message ?? "")")
    }
  }
}

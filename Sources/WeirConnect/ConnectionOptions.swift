// SPDX-License-Identifier: Apache-2.0

public import WeirCurl
public import WeirStorage
public import WeirStorageS3
public import WeirTable

/// What a connection takes from its surroundings. The defaults are the process's own.
public struct ConnectionOptions: Sendable {
  /// Whether a folder or database file that is missing is made.
  public var creates = true
  /// The only locations, with all below them, whose files are opened; all when `nil`.
  public var confinedTo: [String]?
  /// Whether local files wait until they are safe from a loss of power.
  public var syncsFiles = true
  /// Of catalogs that keep pointers themselves (not REST).
  public var catalog = PointerCatalog.Options()
  public var environment = TableEnvironment()
  /// Where S3 credentials come from when no property has them.
  public var s3Environment = S3Environment.system
  /// Sends the requests to S3 and to REST catalogs.
  public var transport: any HTTPTransport = ConnectionOptions.sharedClient

  public init() {}

  /// One pool of connections for the process.
  private static let sharedClient: HTTPClient = {
    var settings = HTTPClientSettings()
    settings.certificateFile = S3Environment.system.certificateFile
    return HTTPClient(settings: settings)
  }()

  var clock: ClientClock {
    ClientClock(
      now: environment.now, sleep: environment.sleep, random: environment.random)
  }

  /// The stores that `properties` describe: local files, this process's memory, and S3, whose buckets
  /// are opened when they are first needed.
  public func stores(_ properties: [String: String]) throws(TableError) -> ObjectStores {
    let (transport, clock, s3Environment) = (transport, clock, s3Environment)
    let s3: ObjectStores.Factory = { bucket throws(StorageError) in
      let settings = S3Settings(
        bucket: bucket, properties: properties, environment: s3Environment)
      return try S3ObjectStore(settings: settings, transport: transport, clock: clock)
    }
    do {
      return try ObjectStores(
        factories: ["s3": s3], confinedTo: confinedTo, syncsFiles: syncsFiles)
    } catch {
      throw TableError(
        .invalidArgument, "the stores cannot be opened", cause: error.description)
    }
  }
}

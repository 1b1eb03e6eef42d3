package millrace.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * Runs Nexmark queries in Flink, in this process, over events that are in memory.
 *
 * <pre>Race EVENTS QUERIES hashmap|rocksdb PARALLELISM RUNS NAME…</pre>
 *
 * EVENTS is a file of {@link EventFile}, QUERIES a folder with NAME.sql and tables.sql. Each query runs once over a
 * quarter of the events to warm up, then over one event, which is what starting and ending a job costs, then RUNS times
 * over all of them. A line of JSON for each run: seconds by the clock and CPU seconds of the whole process while it ran,
 * both without the cost of the job with one event.
 */
public final class Race {
  private static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  public static void main(String[] words) throws Exception {
    EventFile.opened = EventFile.open(Path.of(words[0]));
    Path queries = Path.of(words[1]);
    String backend = words[2];
    int parallelism = Integer.parseInt(words[3]);
    int runs = Integer.parseInt(words[4]);
    List<String> names = new ArrayList<>(Arrays.asList(words).subList(5, words.length));
    int events = EventFile.opened.events();
    for (String name : names) {
      String sql = Files.readString(queries.resolve(name + ".sql"));
      try {
        run(queries, sql, backend, parallelism, Math.max(1, events / 4));
        double[] fixed = run(queries, sql, backend, parallelism, 1);
        for (int i = 0; i < runs; ++i) {
          double[] spent = run(queries, sql, backend, parallelism, events);
          spent[0] -= fixed[0];
          spent[1] -= fixed[1];
          System.out.printf(Locale.ROOT,
              "{\"query\": \"%s\", \"backend\": \"%s\", \"parallelism\": %d, \"events\": %d, \"seconds\": %.3f, \"cpu_seconds\": %.3f}%n",
              name, backend, parallelism, events, spent[0], spent[1]);
          System.out.flush();
        }
      } catch (Exception error) {
        Throwable cause = error;
        while (cause.getCause() != null) cause = cause.getCause();
        System.out.printf("{\"query\": \"%s\", \"backend\": \"%s\", \"error\": \"%s\"}%n", name, backend,
            String.valueOf(cause.getMessage()).replaceAll("[\"\\\\\n]", " "));
        System.out.flush();
      }
    }
    System.exit(0);
  }

  private static double[] run(Path queries, String sql, String backend, int parallelism, int events) throws Exception {
    Path checkpoints = Files.createTempDirectory("flink-race");
    Configuration settings = new Configuration();
    settings.setString("state.backend.type", backend);
    settings.setString("execution.checkpointing.interval", "10 s");
    settings.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
    settings.setString("execution.checkpointing.incremental", "true");
    settings.setString("pipeline.object-reuse", "true");
    settings.setString("taskmanager.numberOfTaskSlots", String.valueOf(parallelism));
    settings.setString("taskmanager.memory.managed.size", "2g");
    settings.setString("taskmanager.memory.network.max", "256m");
    settings.setString("restart-strategy.type", "none");
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(parallelism, settings);
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    Configuration options = new Configuration();
    options.setString("table.exec.mini-batch.enabled", "true");
    options.setString("table.exec.mini-batch.allow-latency", "2 s");
    options.setString("table.exec.mini-batch.size", "50000");
    options.setString("table.optimizer.agg-phase-strategy", "TWO_PHASE");
    options.setString("table.optimizer.distinct-agg.split.enabled", "true");
    options.setString("table.local-time-zone", "UTC");
    tables.getConfig().addConfiguration(options);
    String source = Files.readString(queries.resolve("tables.sql")).replace("${count}", String.valueOf(events));
    for (String statement : source.split(";\\s*\n")) {
      if (!statement.isBlank()) tables.executeSql(statement);
    }
    String[] statements = sql.split(";\\s*\n");
    for (int i = 0; i + 1 < statements.length; ++i) {
      if (!statements[i].isBlank() && !statements[i + 1].isBlank()) tables.executeSql(statements[i]);
    }
    String query = statements[statements.length - 1].isBlank() ? statements[statements.length - 2] : statements[statements.length - 1];
    long cpu = SYSTEM.getProcessCpuTime();
    long start = System.nanoTime();
    tables.sqlQuery(query.replaceFirst(";\\s*$", ""))
        .insertInto(TableDescriptor.forConnector("blackhole").build())
        .execute()
        .await();
    double seconds = (System.nanoTime() - start) / 1e9;
    double cpuSeconds = (SYSTEM.getProcessCpuTime() - cpu) / 1e9;
    try (var files = Files.walk(checkpoints)) {
      files.sorted(java.util.Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    }
    return new double[] {seconds, cpuSeconds};
  }
}

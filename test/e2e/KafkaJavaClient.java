// Apache Kafka's own client, for test_kafka_java.py: KafkaJavaClient HOST:PORT produce TOPIC CODECS COUNT, which sends so many with
// each codec, ids counting from 0, and prints how many were acked, or … consume TOPIC GROUP COUNT, which prints the ids it read, one a line, when they are committed, or
// … topics NAME, which makes a topic, prints what it is and deletes it, … refused TOPIC, which prints why it cannot be written, or
// … forget TOPIC GROUP, which deletes what the group committed for partition 0 and prints what is left. All settings are the client's own but those named.
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class KafkaJavaClient {
  static final Pattern ID = Pattern.compile("\"id\":(\\d+)");

  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    switch (args[1]) {
      case "produce" -> produce(settings, args[2], args[3].split(","), Integer.parseInt(args[4]));
      case "consume" -> consume(settings, args[2], args[3], Integer.parseInt(args[4]));
      case "topics" -> topics(settings, args[2]);
      case "refused" -> refused(settings, args[2]);
      case "forget" -> forget(settings, args[2], args[3]);
      default -> throw new IllegalArgumentException(args[1]);
    }
  }

  static void produce(Properties settings, String topic, String[] codecs, int count) throws Exception {
    settings.put("linger.ms", "20");
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (String codec : codecs) {
      settings.put("compression.type", codec);
      try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
        for (int i = 0; i < count; ++i) {
          int id = sent.size();
          String value = "{\"id\":" + id + ",\"item\":\"" + codec + "\",\"n\":1}";
          sent.add(producer.send(new ProducerRecord<>(topic, "k" + id, value)));
        }
      }
    }
    for (Future<RecordMetadata> each : sent) each.get();
    System.out.println(sent.size());
  }

  static void consume(Properties settings, String topic, String group, int count) {
    settings.put("group.id", group);
    settings.put("auto.offset.reset", "earliest");
    settings.put("enable.auto.commit", "false");
    List<String> ids = new ArrayList<>();
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      while (ids.size() < count) {
        for (ConsumerRecord<String, String> each : consumer.poll(Duration.ofSeconds(1))) {
          Matcher found = ID.matcher(each.value());
          if (found.find()) ids.add(found.group(1));
        }
        consumer.commitSync();
      }
    }
    System.out.println(String.join("\n", ids));
  }

  static void refused(Properties settings, String topic) throws Exception {
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      producer.send(new ProducerRecord<>(topic, "{}")).get();
    } catch (ExecutionException refusal) {
      System.out.println(refusal.getCause().getClass().getSimpleName());
    }
  }

  static void forget(Properties settings, String topic, String group) throws Exception {
    try (Admin admin = Admin.create(settings)) {
      admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(topic, 0))).all().get();
      System.out.println(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().size());
    }
  }

  static void topics(Properties settings, String name) throws Exception {
    try (Admin admin = Admin.create(settings)) {
      admin.createTopics(List.of(new NewTopic(name, 3, (short) 1).configs(Map.of("retention.ms", "60000")))).all().get();
      int partitions = admin.describeTopics(List.of(name)).allTopicNames().get().get(name).partitions().size();
      ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
      Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
      System.out.println(partitions + " " + config.get("retention.ms").value());
      admin.deleteTopics(List.of(name)).all().get();
      System.out.println(admin.listTopics().names().get().contains(name) ? "still there" : "gone");
    }
  }
}

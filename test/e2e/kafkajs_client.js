// Produces and reads with kafkajs: node kafkajs_client.js HOST:PORT TOPIC. Prints what it read, as JSON.
const { Kafka, CompressionTypes, logLevel } = require(process.env.KAFKAJS);

async function main() {
  const [broker, topic] = process.argv.slice(2);
  const kafka = new Kafka({ clientId: 'e2e', brokers: [broker], logLevel: logLevel.ERROR });
  const admin = kafka.admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const before = await admin.fetchTopicOffsets(topic);
  const producer = kafka.producer();
  await producer.connect();
  const messages = [];
  for (let i = 0; i < 20; ++i) {
    messages.push({ key: `k${i}`, value: JSON.stringify({ id: 1000 + i, item: 'js', n: i }), headers: { h: `v${i}` } });
  }
  const sent = await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.GZIP });
  await producer.disconnect();
  const after = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  console.log(JSON.stringify({ partitions: topics[0].partitions.length, before, after, sent }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

// Reads as a member of a group with kafkajs: node kafkajs_group.js HOST:PORT TOPIC GROUP COUNT. Prints the ids of so many
// messages, as JSON, when their offsets are committed.
const { Kafka, logLevel } = require(process.env.KAFKAJS);

async function main() {
  const [broker, topic, groupId, count] = process.argv.slice(2);
  const kafka = new Kafka({ clientId: 'e2e', brokers: [broker], logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const ids = [];
  await new Promise((resolve, reject) => {
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        ids.push(JSON.parse(message.value.toString()).id);
        await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
        if (ids.length === Number(count)) resolve();
      },
    }).catch(reject);
  });
  await consumer.disconnect();
  console.log(JSON.stringify(ids));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

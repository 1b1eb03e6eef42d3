SELECT B.auction, B.bidder, B.price, B.channel, B.url, B.`dateTime` AS b_dateTime, A.itemName, A.seller, P.name, P.city, P.state
FROM bid AS B INNER JOIN person AS P ON P.id = B.bidder INNER JOIN auction AS A ON A.seller = B.bidder

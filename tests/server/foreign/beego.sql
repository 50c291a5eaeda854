-- MySQL dump 10.13  Distrib 5.7.30, for Linux (x86_64)
--
-- Host: localhost    Database: dbms

/*!40101 SET NAMES utf8 */;

DROP TABLE IF EXISTS `user`;
CREATE TABLE `user` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `username` varchar(64) NOT NULL DEFAULT '',
  `password` varchar(128) NOT NULL DEFAULT '',
  `email` varchar(128) DEFAULT NULL,
  `created` datetime DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `username` (`username`)
) ENGINE=InnoDB AUTO_INCREMENT=792 DEFAULT CHARSET=utf8;

LOCK TABLES `user` WRITE;
INSERT INTO `user` VALUES (786,'foo@example.com','bef3a4072f8bb1ed1e844022c1ebe72f','foo@example.com','2016-05-01 08:00:00'),(787,'li','b00d515a4a19950f0270f74426dfe35502b24be2','li@beego.example','2016-05-01 08:00:00'),(788,'O\'Brien','b89e94f1aaabd72f6741b7b5f8b177bb3e3ece1d16ff448be983731cbaa13ae6','ob@beego.example','2016-05-01 08:00:00'),(789,'王五','$2a$10$EgMDygqOoQY2wQtcPp.0D.GxaEdmIk0z8IWPBHm63g.9UQClG8rc6',NULL,'2016-05-01 08:00:00'),(790,'zhao','pbkdf2:sha256:20000$wQ4QppHq1b59dBAk$242937a0158eb5c15637377445dc9b3abe4e979b489eb4f845c975ab433b5189','zhao@beego.example','2016-05-01 08:00:00'),(791,'qian','BEF3A4072F8BB1ED1E844022C1EBE72F','','2016-05-01 08:00:00');
UNLOCK TABLES;
